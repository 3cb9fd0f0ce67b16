"""Events in, traces out: PostHog's rules for building the tree of a trace, and its drawing on a terminal."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_track.demo.store import StoredEvent

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_EXCERPT_CHARACTERS = 140
_ERROR_CHARACTERS = 240
_MODEL_CALLS = frozenset({"generation", "embedding"})
_ABSURD = 1e12
_NODES = _MODEL_CALLS | {"span"}


def kind(event: StoredEvent) -> str:
    """Name an event without its prefix: `generation`, `embedding`, `span`, `trace`."""
    prefix, _, name = event.event.partition("_")
    return name if prefix == "$ai" else event.event


def field(event: StoredEvent, name: str) -> Any:
    """Read one AI property by its short name; None when the event does not carry it."""
    return event.properties.get(f"$ai_{name}")


@dataclass(slots=True)
class Node:
    """One step of a trace and the steps inside it."""

    event: StoredEvent
    children: list[Node] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All events of one trace id: its header, when one was sent, and the tree below it."""

    trace_id: str
    header: StoredEvent | None
    roots: Sequence[Node]

    def nodes(self) -> Iterator[Node]:
        """Walk the tree, parents before children."""
        waiting = list(reversed(self.roots))
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def earliest(self) -> StoredEvent:
        """Give the header, else the event that finished first: it speaks for the trace."""
        return self.header or min((node.event for node in self.nodes()), key=lambda event: event.timestamp)


def traces(events: Iterable[StoredEvent]) -> list[Trace]:
    """Sort events into traces, in the order in which the traces began."""
    by_trace: dict[str, list[StoredEvent]] = defaultdict(list)
    for event in events:
        trace_id = field(event, "trace_id")
        if trace_id is not None and kind(event) in _NODES | {"trace"}:
            by_trace[str(trace_id)].append(event)
    found = [_trace(trace_id, members) for trace_id, members in by_trace.items()]
    return sorted((trace for trace in found if trace.header or trace.roots), key=_trace_start)


def _trace(trace_id: str, events: Sequence[StoredEvent]) -> Trace:
    header = next((event for event in events if kind(event) == "trace"), None)
    nodes = {_node_id(event): Node(event) for event in events if kind(event) in _NODES}
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(str(field(node.event, "parent_id")))
        # No parent, the trace itself, or one that never arrived: all of these belong at the top.
        (roots if parent is None else parent.children).append(node)
    for node in nodes.values():
        node.children.sort(key=lambda child: _start(child.event))
    return Trace(trace_id=trace_id, header=header, roots=sorted(roots, key=lambda node: _start(node.event)))


def _node_id(event: StoredEvent) -> str:
    return str(field(event, "generation_id") or field(event, "span_id") or event.uuid)


def _start(event: StoredEvent) -> float:
    """Say when a step began, in seconds since 1970; events are stamped when it ends."""
    return event.timestamp.timestamp() - (_number(field(event, "latency")) or 0.0)


def _trace_start(trace: Trace) -> float:
    events = [node.event for node in trace.nodes()] + ([trace.header] if trace.header else [])
    return min(map(_start, events))


def _number(value: object) -> float | None:
    """Read a number that can be one of tokens, seconds or dollars; anything else counts as not reported."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _ABSURD:
        return None
    return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the model calls of one or more traces add up to; None means that no call reported it."""

    calls: int
    failed: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    """US dollars."""
    unpriced: int
    """Successful calls that carry no cost."""


def totals(found: Iterable[Trace]) -> Totals:
    """Add up generations and embeddings; spans only repeat what is inside them."""
    events = [node.event for trace in found for node in trace.nodes() if kind(node.event) in _MODEL_CALLS]
    succeeded = [event for event in events if not is_error(event)]
    return Totals(
        calls=len(events),
        failed=len(events) - len(succeeded),
        input_tokens=_whole(_sum(events, "input_tokens")),
        output_tokens=_whole(_sum(events, "output_tokens")),
        cost=_sum(events, "total_cost_usd"),
        unpriced=sum(_number(field(event, "total_cost_usd")) is None for event in succeeded),
    )


def _sum(events: Iterable[StoredEvent], name: str) -> float | None:
    values = [value for event in events if (value := _number(field(event, name))) is not None]
    return sum(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def is_error(event: StoredEvent) -> bool:
    """Whether the event says that its step failed."""
    return field(event, "is_error") in (True, "true")


def draw(trace: Trace) -> Tree:
    """Draw one trace as a tree for a rich console of any width."""
    from rich.tree import Tree

    tree = Tree(_trace_label(trace), guide_style="dim")
    waiting = [(tree, node) for node in trace.roots]
    while waiting:
        branch, node = waiting.pop(0)
        twig = branch.add(_node_label(node.event))
        waiting.extend((twig, child) for child in node.children)
    return tree


def describe(sums: Totals) -> Text:
    """Put totals into words: calls, tokens in -> out, cost."""
    from rich.text import Text

    words = Text(f"{sums.calls} model call{'' if sums.calls == 1 else 's'}")
    if sums.failed:
        words.append(f", {sums.failed} failed", "red")
    if tokens := _tokens(sums.input_tokens, sums.output_tokens):
        words.append(f", {tokens}")
    if sums.cost is not None:
        words.append(f", {_money(sums.cost)}")
    if sums.unpriced:
        words.append(", not priced" if sums.cost is None else f", {sums.unpriced} not priced", "dim")
    return words


def _trace_label(trace: Trace) -> Text:
    from rich.text import Text

    speaker = trace.earliest()
    label = Text.assemble((_one_line(_name(speaker), _EXCERPT_CHARACTERS), "bold"))
    label.append(f"\n{_owner(trace, speaker)}", "cyan")
    label.append("\n")
    if (latency := _number(field(speaker, "latency"))) is not None and trace.header:
        label.append(f"{latency:.2f} s, ")
    label.append_text(describe(totals([trace])))
    if trace.header and is_error(trace.header):
        label.append(f"\n{_one_line(_error(trace.header), _ERROR_CHARACTERS)}", "red")
    return label


def _name(event: StoredEvent) -> str:
    return str(field(event, "span_name") or field(event, "trace_name") or field(event, "model") or kind(event))


def _owner(trace: Trace, speaker: StoredEvent) -> str:
    anonymous = speaker.distinct_id is None or speaker.properties.get("$process_person_profile") is False
    user = "anonymous" if anonymous else f"user {_one_line(str(speaker.distinct_id), _EXCERPT_CHARACTERS)}"
    events = [speaker, *(node.event for node in trace.nodes())]
    session = next((found for event in events if (found := field(event, "session_id"))), None)
    return user if session is None else f"{user}, session {_one_line(str(session), _EXCERPT_CHARACTERS)}"


def _node_label(event: StoredEvent) -> Text:
    from rich.text import Text

    failed = is_error(event)
    what = kind(event) if kind(event) in _MODEL_CALLS else str(field(event, "span_type") or "span")
    title = _one_line(_title(event), _EXCERPT_CHARACTERS)
    label = Text.assemble((f"{what} ", "red" if failed else "green"), (title, "bold"))
    if facts := _facts(event):
        # A model call has more to tell than fits beside its name on 80 columns.
        label.append("\n" if kind(event) in _MODEL_CALLS else ", ").append_text(facts)
    if failed:
        label.append(f"\n{_one_line(_error(event), _ERROR_CHARACTERS)}", "red")
    elif excerpt := _one_line(_output_text(field(event, "output_choices")), _EXCERPT_CHARACTERS):
        label.append(f"\n> {excerpt}", "italic")
    return label


def _title(event: StoredEvent) -> str:
    if kind(event) not in _MODEL_CALLS:
        return _name(event)
    return f"{field(event, 'model') or 'unknown model'} ({field(event, 'provider') or 'unknown provider'})"


def _facts(event: StoredEvent) -> Text:
    """Write what was measured on one step; what was not reported is left out."""
    from rich.text import Text

    facts: list[str | Text] = []
    if (latency := _number(field(event, "latency"))) is not None:
        first = _number(field(event, "time_to_first_token"))
        facts.append(f"{latency:.2f} s" + ("" if first is None else f" (first token {first:.2f} s)"))
    if kind(event) in _MODEL_CALLS:
        sums = totals([Trace(trace_id="", header=None, roots=[Node(event)])])
        facts.append(_tokens(sums.input_tokens, sums.output_tokens))
        facts.append(_money(sums.cost) if sums.cost is not None else "")
        facts.append(Text("not priced", "dim") if sums.unpriced else "")
    return Text(", ").join(Text(fact) if isinstance(fact, str) else fact for fact in facts if fact)


def _tokens(taken: int | None, given: int | None) -> str:
    if given is None:
        return "" if taken is None else f"{taken} tokens"
    return f"{'?' if taken is None else taken} -> {given} tokens"


def _money(dollars: float) -> str:
    return f"${dollars:.6f}".rstrip("0").rstrip(".") if dollars < 1 else f"${dollars:.2f}"


def _error(event: StoredEvent) -> str:
    status = field(event, "http_status")
    message = field(event, "error") or "failed without a message"
    return f"HTTP {status}: {message}" if status and str(status) not in str(message) else str(message)


def _output_text(choices: object) -> str:
    """Read the words out of an answer, whichever of PostHog's message shapes it has."""
    if isinstance(choices, str):
        return choices
    if isinstance(choices, Mapping):
        return _output_text(choices.get("text") or choices.get("content"))
    if isinstance(choices, Sequence):
        return " ".join(filter(None, map(_output_text, choices)))
    return ""


def _one_line(text: str, limit: int) -> str:
    """Fit foreign text into one drawn line: no control characters, which a terminal would obey, and an end."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
