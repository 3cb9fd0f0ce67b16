"""Where each SDK is hooked.  A provider's file names methods and formats; it never reads a message.

`KNOWN` is strings, resolved only when the SDK is imported: no SDK and no format is loaded by `llm_track.autopatch()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from llm_track.formats import Format
from llm_track.providers._known import CALLED_FOR, INSIDE, KNOWN
from llm_track.records import JSON, Labels, Served, Usage
from llm_track.wire import Answer
from llm_track.wire.listening import Listener
from llm_track.wire.pulled import Pulled

Kind = Literal["generation", "embedding", "endpoint"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a hooked method, as wrapt hands it over."""

    instance: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(slots=True)
class Reading:
    """What a call turned out to be, decided on the caller's thread: as little as must be known there."""

    kind: Kind
    name: str
    """The endpoint: ``chat.completions``, ``moderations.create``."""
    provider: str
    """Who bills for the call, in PostHog's vocabulary."""
    body: JSON
    """The request's JSON, safe from later changes by the program."""
    content: bytes | None = None
    """The request's JSON as it is sent, where nobody needs to copy it: it is read in the background, and fills up
    ``body``."""
    written: Callable[[], JSON] | None = None
    """Writes the request's JSON, in the background, where what is sent is no JSON: a message of gRPC."""
    format: Format | None = None
    base_url: Any = None
    stream: bool = False
    asked: Any = None
    """The object that the SDK itself passes along for this one request."""
    recalled: bool = False
    """The call fetches an answer that an earlier call asked for: a background run."""
    batch: str | None = None
    """The provider's id of a batch, or of a file, for a call whose answer may hold the results of a batch."""
    replacement: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """The arguments to call the SDK with instead, when usage has to be asked for."""
    hides: Callable[[Any], bool] | None = None
    """Tells the chunks of a stream that the program did not ask for and must not see."""
    secrets: Callable[[], Iterable[str]] | None = None
    """Yields the credentials that the request carries, for when an exception quotes them."""
    withdraws: Callable[[Reading, BaseException], bool] | None = None
    """Tells from an exception that it was the replacement that failed, not the program's own request."""
    labels: Callable[[], Labels] | None = None
    """Tells what the program said of the call beside the request: who asks, which trace, whether to keep silent."""
    served: Callable[[Any, BaseException | None], Served] | None = None
    """From what the call gave: what a layer over other SDKs tells of how it was served."""

    def forget(self) -> None:
        """Let go of the request."""
        self.body, self.content, self.replacement, self.asked = {}, None, None, None
        self.written = self.secrets = self.labels = self.served = None

    def asks(self, asked: Any) -> bool:
        """Tell whether an object is this request, as the program gave it or as it was replaced."""
        if asked is None:
            return False
        args, kwargs = self.replacement or ((), {})
        return asked is self.asked or any(asked is other for other in (*args, *kwargs.values()))


@dataclass(frozen=True, slots=True)
class Target:
    """One method of an SDK."""

    module: str
    """The import that makes the method exist: ``openai``."""
    path: str
    """The method inside the module: ``AsyncOpenAI.request``."""
    read: Callable[[Invocation], Reading | None] = lambda invocation: None
    """What a call is; ``None`` for "not ours, pass it through"."""
    read_inner: Callable[[Invocation], Reading | None] | None = None
    """What a call is that a call of the same SDK makes, if less needs to be known of it."""
    witness: str | None = None
    """A method of the same class that the SDK calls with the HTTP response."""
    notes: Callable[[Any, Invocation], None] | None = None
    """For a method that is no call, but that the SDK calls amid one of its calls with the request or the answer: notes
    that on the call in progress, on its ``reading``, as its ``result`` or as what was ``witnessed``."""
    made: Callable[[Invocation], None] | None = None
    """For a constructor: notes with what an object was made, of which that cannot be seen afterwards."""
    optional: bool = False
    """Whether some supported versions of the SDK lack the method.  One that moved is named in each of its homes, and is
    not optional: it must be in one of them."""
    in_place: bool = False
    """Whether the function must stay the object that it is: programs import it by its name, or look at its type."""
    opens: bool = False
    """Whether it returns a context manager, which sends the request when it is entered and then gives the answer."""
    transport: Provider | None = None
    """For a method by which the SDK sends its requests itself: what those are.  They are attempts of its calls only."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One SDK."""

    name: str
    distribution: str
    """Its name in the package index, for messages about versions."""
    targets: tuple[Target, ...]
    to_json: Callable[[Any], Any]
    """From a result that no witness saw: its JSON."""
    failure: Callable[[BaseException], Mapping[str, Any]]
    """From an exception of the SDK: what it says of ``http_status``, ``code``, ``request_id``, ``retries``, ``url``."""
    answer: Callable[[Mapping[str, Any]], tuple[Any, int | None]] = lambda witnessed: (witnessed["response"], None)
    """From the keyword arguments of the witness: the HTTP response and, if known, the number of retries before it."""
    gives_response: Callable[[Any], bool] = lambda result: False
    """Tells whether what a method returned is the HTTP response itself, so that no witness is needed."""
    listen: Callable[[Any, Listener], None] | None = None
    """Has a listener hear how the body of a response is read, if that is not an ``httpx.Response``."""
    counts: Callable[[Mapping[str, str]], Usage | None] = lambda headers: None
    """From the headers of an answer: what is counted there."""
    repeats: Callable[[Any], bool] = lambda response: False
    """Tells from an HTTP response whether the SDK now sends its request again by itself, so that it answers nothing."""
    layers: bool = False
    """Whether the SDK asks models through other SDKs, whose calls are then part of its own."""
    others: Callable[[ModuleType], Iterable[Target]] = lambda module: ()
    """From the SDK's module: what else it has to hook, in this version of it."""
    aside: tuple[str, ...] = ()
    """Beginnings of the names of modules that call the program's own functions amid a call: callbacks, guardrails.
    What those ask a model is the program's own question, no part of the call."""
    called_for: Callable[[], bool] = lambda: False
    """Tells whether the program names llm_track in the SDK's own settings, which then is as good as `autopatch`."""
    beside: tuple[str, ...] = ()
    """Modules that the SDK looks up in `sys.modules` without importing them, and that posthog imports.  They are
    imported with the SDK, by its thread: the worker's import of posthog would show them to the SDK half-initialised."""
    beneath: tuple[str, ...] = ()
    """The providers whose SDKs a layer asks through: their calls tell more of its own than it does."""
    asks_models: Callable[[Any], bool] = lambda client: True
    """From the object whose method is hooked: whether it asks models at all, as most services of a cloud do not."""
    held: Callable[[Any], Any] = lambda client: client
    """From the object whose method is hooked: the one that the program holds, if that is another."""
    hooked: Callable[[Any], Any] = lambda client: client
    """From the object that the program holds: the one whose method is hooked, if that is another."""
    copies: tuple[str, ...] = ()
    """The methods by which a client makes a copy of itself."""
    about: Callable[[Any], Any] = lambda stream: None
    """From a stream object that is its own iterator: what is worth keeping of it, without keeping it."""
    chunks: Callable[[Pulled], list[Any]] = lambda pulled: pulled.pieces
    """The chunks of such a stream: as the program got them, or as the SDK keeps them."""
    asks_when_read: bool = False
    """Whether its streams are generators that send the request when they are read first."""
    ends: Callable[[Any], bool] = lambda piece: False
    """Tells from a piece of such a generator whether it is the last that the SDK reads; called for each of them."""
    iterator: str | None = None
    """The attribute of the SDK's stream object that holds the iterator it pulls from."""
    hands: tuple[Target, ...] = ()
    """Methods that hand over what the SDK makes around or after a target: generators that ask when they are read."""

    @property
    def sees_wire(self) -> bool:
        """Whether every answer passes a witness."""
        return not self.layers and all(target.witness is not None for target in self.targets)


def load(name: str) -> Provider:
    """Import the description of a provider."""
    module, _, attribute = KNOWN[name].partition(":")
    provider = getattr(import_module(module), attribute)
    assert isinstance(provider, Provider)
    return provider


__all__ = [
    "CALLED_FOR",
    "INSIDE",
    "KNOWN",
    "Answer",
    "Format",
    "Invocation",
    "Kind",
    "Provider",
    "Reading",
    "Target",
    "load",
]
