"""What calls raise."""

from __future__ import annotations

from observe import QUESTION, REFUSED, SDK, each, entered, llm_track, need, program, raises, show, value

STATUSES = ("e400", "e401", "e404", "e429", "e500")


@program
async def status_errors(sdk: SDK) -> None:
    """A refusal raises the same error with the same body, code, request id and traceback, plain, raw and streamed."""
    for mode in STATUSES:
        client = sdk.client(mode)
        for ask in (sdk.ask, sdk.ask_raw):
            with raises(mode):
                await value(ask(client))
        with raises(f"{mode} streamed"):
            await value(sdk.ask(client, stream=True))
        with raises(f"{mode} read"):
            async with entered(sdk.ask_streaming(client)):
                print("never here")


@program
async def no_connection(sdk: SDK) -> None:
    """A refused connection raises the SDK's error from the HTTP library's, with and without retries."""
    for retries in (0, 1):
        with raises("refused"):
            await value(sdk.ask(sdk.client(base_url=sdk.base_url(host=REFUSED), max_retries=retries)))
    with raises("streamed"):
        await value(sdk.ask(sdk.client(base_url=sdk.base_url(host=REFUSED)), stream=True))


@program
async def timeouts(sdk: SDK) -> None:
    """A timeout of the client or of the call raises the SDK's timeout error."""
    short, longer = sdk.http.Timeout(9, read=0.2), sdk.http.Timeout(9, read=0.8)
    with raises("client"):
        await value(sdk.ask(sdk.client("slow", timeout=short)))
    with raises("call"):
        await value(sdk.ask(sdk.client("slow"), timeout=short))
    with raises("between chunks"):
        stream = await value(sdk.ask(sdk.client("slowstream", timeout=longer), stream=True))
        async for chunk in each(stream):
            show("chunk", chunk)


@program
async def answers_that_do_not_fit(sdk: SDK) -> None:
    """Broken JSON, missing fields and strict validation end as they did."""
    for mode in ("badjson", "nullchoices", "nousage"):
        for strict in (False, True):
            with raises(f"{mode} {strict}"):
                show("answer", await value(sdk.ask(sdk.client(mode, _strict_response_validation=strict))))
    with raises("read"):
        answer = await value(sdk.ask(sdk.client("nullchoices")))
        answer.choices[0] if sdk.openai else answer.content[0]


@program
async def wrong_arguments(sdk: SDK) -> None:
    """Missing, unknown and impossible arguments raise the same before anything is sent."""
    client = sdk.client()
    resource = sdk.resource(client)
    for arguments in ({}, {"model": "m"}, {"model": "m", "messages": QUESTION, "nonsense": 1, "max_tokens": 1}):
        with raises(",".join(arguments)):
            await value(resource.create(**arguments))
    for messages in (object(), [object()], [{"role": "user", "content": {1, 2}}], [{"content": float("nan")}]):
        with raises(type(messages).__name__):
            show("answer", await value(sdk.ask(client, messages=messages)))
    with raises("no key"):
        sdk.client(api_key=None)


class _Hostile(dict):
    """An object that fails whenever it is looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("do not look")

    __str__ = __eq__ = __hash__ = __bool__ = __repr__

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"do not look for {name}")


@program
async def hostile_arguments(sdk: SDK) -> None:
    """Objects that raise when they are printed, compared or searched fail, or work, as they did."""
    client = sdk.client()
    for more in ({"extra_body": {"mine": _Hostile(a=1)}}, {"metadata": _Hostile(user_id="u")}):
        try:
            show(",".join(more), await value(sdk.ask(client, **more)))
        except Exception as error:  # noqa: BLE001
            show(",".join(more), type(error), str(error))


@program
async def the_same_exception(sdk: SDK) -> None:
    """What the program's own transport raises comes out as that very object, as the error itself or as its cause."""
    for mine in (ValueError("mine"), KeyboardInterrupt(), SystemExit(3), sdk.http.ConnectError("gone")):

        def handler(request: object, mine: BaseException = mine) -> object:
            raise mine

        for retries in (0, 1):
            try:
                await value(sdk.ask(sdk.mocked(handler, max_retries=retries)))
            except BaseException as error:  # noqa: BLE001
                show("raised", type(error), error is mine, error.__cause__ is mine, str(error))


@program
async def errors_inside_handlers(sdk: SDK) -> None:
    """An error raised while another is handled keeps that one as its context, and a bare raise gives back the first."""
    with raises("context"):
        try:
            raise LookupError("mine")
        except LookupError:
            await value(sdk.ask(sdk.client("e400")))
    with raises("bare raise"):
        try:
            await value(sdk.ask(sdk.client("e400")))
        except Exception as error:
            if hasattr(error, "add_note"):
                error.add_note("noted by the program")
            raise
    with raises("from"):
        try:
            await value(sdk.ask(sdk.client("e400")))
        except Exception as error:
            raise RuntimeError("mine") from error


@program
async def errors_while_streaming(sdk: SDK) -> None:
    """A stream that is cut, carries an error, is no JSON or has null choices ends as it did, after the same chunks."""
    for mode in ("cut", "inerror", "badjson_stream", "nullchoices"):
        stream = await value(sdk.ask(sdk.client(mode), stream=True))
        with raises(mode):
            async for chunk in each(stream):
                show("chunk", chunk)
        show("closed", stream.response.is_closed)
        with raises("read on"):
            show("more", [chunk async for chunk in each(stream)])


@program
async def errors_of_helpers(sdk: SDK) -> None:
    """The stream helper of the SDK raises the same out of its block for every fault."""
    for mode in ("e429", "cut", "inerror"):
        with raises(mode):
            async with entered(sdk.manager(sdk.client(mode))) as stream:
                async for event in each(stream):
                    print("event", getattr(event, "type", None))


@program
async def errors_that_a_block_swallows(sdk: SDK) -> None:
    """A span and a tracked function let every error pass as the same object."""

    @llm_track.track_llm
    async def tracked() -> object:
        return await value(sdk.ask(sdk.client("e401")))

    with raises("span"), llm_track.llm_span("block"):
        await value(sdk.ask(sdk.client("e400")))
    with raises("function"):
        await tracked()
    mine = ValueError("mine")
    try:
        async with llm_track.llm_span("block"):
            raise mine
    except ValueError as error:
        show("same", error is mine, error)


@program
async def requests_and_responses_of_errors(sdk: SDK) -> None:
    """An error's response and request are as complete as they were."""
    need(sdk.module, "APIStatusError")
    try:
        await value(sdk.ask(sdk.client("e401")))
    except sdk.module.APIStatusError as error:
        show("request", error.request.url.path, error.request.method, error.request.content)
        show("response", error.response.status_code, error.response.text, sorted(error.response.headers.items()))
        show("state", error.response.is_closed, error.response.is_stream_consumed)
