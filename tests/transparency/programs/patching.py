"""Patching, taking it back, and other people's patches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from observe import FLAVOURS, SDK, each, llm_track, need, program, raises, show, value

NAMES = ("request", "_process_response")


def _state() -> list[Any]:
    """Every object that llm_track may replace, and whether its class has it for itself."""
    found: list[Any] = [ThreadPoolExecutor.submit, vars(ThreadPoolExecutor)["submit"]]
    for sdk in FLAVOURS:
        for name in NAMES:
            found += [getattr(sdk.client_class, name), name in vars(sdk.client_class)]
    return found


def _same(left: list[Any], right: list[Any]) -> bool:
    return all(one is other for one, other in zip(left, right, strict=True))


@program
async def taken_back(sdk: SDK) -> None:
    """After unpatch every method is the very object that it was, however often it was patched."""
    llm_track.unpatch()
    original = _state()
    for _ in range(2):
        llm_track.autopatch()
        llm_track.autopatch()
        show("answer", await value(sdk.ask(sdk.client())))
        llm_track.unpatch()
        show("same", _same(_state(), original))
    llm_track.autopatch("openai")
    llm_track.autopatch("anthropic")
    llm_track.unpatch("openai")
    show("answer", await value(sdk.ask(sdk.client())))
    llm_track.unpatch()
    show("same", _same(_state(), original), await value(sdk.ask(sdk.client())))
    llm_track.autopatch()
    show("again", await value(sdk.ask(sdk.client())))


@program
async def taken_back_in_the_middle(sdk: SDK) -> None:
    """Patching and unpatching while a stream is read changes nothing for the stream."""
    stream = await value(sdk.ask(sdk.client(), stream=True))
    chunks = each(stream)
    show("first", await chunks.__anext__())
    llm_track.unpatch()
    show("second", await chunks.__anext__())
    llm_track.autopatch()
    show("rest", [chunk async for chunk in chunks])
    client = sdk.client()
    llm_track.unpatch()
    show("answer", await value(sdk.ask(client)))
    llm_track.autopatch()
    show("answer", await value(sdk.ask(client)))


def _loud(kind: type, name: str, word: str) -> Any:
    """Somebody else's patch, by plain assignment."""
    inner = getattr(kind, name)

    def loud(self: Any, *args: Any, **kwargs: Any) -> Any:
        print(word)
        return inner(self, *args, **kwargs)

    setattr(kind, name, loud)
    return loud


@program
async def patches_of_others(sdk: SDK) -> None:
    """Patches of others, made before and after ours, are called in the same order and survive ours being taken back."""
    kind = sdk.client_class
    llm_track.unpatch()
    earlier = _loud(kind, "request", "earlier")
    llm_track.autopatch()
    show("answer", await value(sdk.ask(sdk.client())))
    later = _loud(kind, "request", "later")
    show("answer", await value(sdk.ask(sdk.client())))
    llm_track.unpatch()
    show("kept", vars(kind)["request"] is later, await value(sdk.ask(sdk.client())))
    llm_track.autopatch()
    show("again", await value(sdk.ask(sdk.client())))
    kind.request = earlier
    show("earlier only", await value(sdk.ask(sdk.client())))
    del kind.request
    show("none", await value(sdk.ask(sdk.client())))


@program
async def wrapt_patches_of_others(sdk: SDK) -> None:
    """Other wrapt wrappers above and below ours are called once each."""
    import wrapt

    def loud(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        print("wrapt", type(instance).__name__, sorted(kwargs))
        return wrapped(*args, **kwargs)

    for module in (sdk.module, sdk.module):
        wrapt.wrap_function_wrapper(module, f"{sdk.client_class.__name__}.request", loud)
        show("answer", await value(sdk.ask(sdk.client())))
        llm_track.unpatch()
        llm_track.autopatch()
    with raises("error"):
        await value(sdk.ask(sdk.client("e400")))


@program
def patches_of_the_pool() -> None:
    """Somebody else's patch of the thread pool survives ours being taken back."""
    later = _loud(ThreadPoolExecutor, "submit", "submit")
    with ThreadPoolExecutor(1) as pool, llm_track.llm_span("block"):
        show("result", pool.submit(int, "3").result())
    llm_track.unpatch()
    show("kept", vars(ThreadPoolExecutor)["submit"] is later)
    with ThreadPoolExecutor(1) as pool:
        show("result", pool.submit(int, "4").result())


@program
async def one_object_only(sdk: SDK) -> None:
    """A method that the program replaces on one client is called for that client alone."""
    client, other = sdk.client(), sdk.client()
    inner = client.request

    def mine(*args: Any, **kwargs: Any) -> Any:
        print("mine")
        return inner(*args, **kwargs)

    client.request = mine
    show("answer", await value(sdk.ask(client)), await value(sdk.ask(other)))
    resource = sdk.resource(client)
    create = resource.create
    resource.create = lambda **more: create(**{**more, "stop" if sdk.openai else "stop_sequences": ["x"]})
    show("answer", await value(sdk.ask(client)))
    resource._client.request = inner
    show("answer", await value(sdk.ask(client)))
    del client.request
    show("gone", "request" in vars(client), await value(sdk.ask(client)))


@program
def subclasses_made_before_and_after() -> None:
    """Subclasses, whether made before or after patching, inherit what their base has now."""
    made = {}
    for sdk in FLAVOURS:
        llm_track.unpatch()
        made[sdk] = type("Before", (sdk.client_class,), {})
        llm_track.autopatch()
        after = type("After", (sdk.client_class,), {"request": sdk.client_class.request})
        if not sdk.asynchronous:
            for kind in (made[sdk], after):
                show("answer", kind.__name__, sdk.ask(sdk.client(kind=kind)))


@program
async def azure_and_others(sdk: SDK) -> None:
    """Clients for other hosts, which the SDK derives from its own, answer as they did."""
    if sdk.openai:
        kind = getattr(sdk.module, "AsyncAzureOpenAI" if sdk.asynchronous else "AzureOpenAI")
        given = {"api_version": "2024-10-01", "azure_endpoint": "https://x.openai.azure.com", "azure_deployment": "d"}
    else:
        kind = need(sdk.module, "AsyncAnthropicVertex" if sdk.asynchronous else "AnthropicVertex")
        given = {"region": "eu", "project_id": "p", "access_token": "t"}

    def handler(request: Any) -> Any:
        show("request", str(request.url), request.content)
        return sdk.reply()

    options = {"api_key": "sk-test"} if sdk.openai else {}
    try:
        client = kind(http_client=sdk.transport(handler), max_retries=0, **given, **options)
    except Exception as error:  # noqa: BLE001  it needs a package that is not here
        show("absent", type(error))
        client = sdk.mocked(handler)
    with raises("call"):
        show("answer", kind.__name__, await value(sdk.ask(client)))
    show("mocked", SDK.__name__)
