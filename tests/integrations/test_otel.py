"""OpenTelemetry: the GenAI spans of a program are events, each once, in the trace that they belong to."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import llm_track
from llm_track import (
    autopatch,
    current_trace_id,
    llm_span,
    pipeline,
    set_content,
    sightings,
    telemetry,
    track_llm,
    unpatch,
)
from llm_track.integrations import _otel_messages as messages
from llm_track.integrations import _otel_spans as spans
from llm_track.testing import capture_events

from .conftest import ROOT, needed

sdk, trace, openai = needed("opentelemetry.sdk.trace", "opentelemetry.trace", "openai")
(Context,) = (module.Context for module in needed("opentelemetry.context"))
(otel,) = needed("llm_track.integrations.otel")

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}], "usage": None},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}},
]
VECTORS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4o", "error": None,
    "output": [
        {
            "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 3, "output_tokens": 1, "total_tokens": 4,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    },
    "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto",
    "tools": [], "top_p": 1.0, "background": False, "incomplete_details": None,
}  # fmt: skip
PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
CALL = {"id": "c0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "hi"}, PICTURE]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c0", "content": "found"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}]


class Provider(BaseHTTPRequestHandler):
    """Answers as OpenAI does; a question that says so fails."""

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        """List no models; give the results of a batch, and a response once more."""
        said = {"object": "list", "data": []}
        if "/files/" in self.path:
            said = {"id": "batch_req_1", "custom_id": "c", "response": {"status_code": 200, "body": ANSWER}}
        elif "/responses/" in self.path:
            said = RESPONSE
        self.send(200, "application/octet-stream" if "/files/" in self.path else "application/json", json.dumps(said))

    def do_POST(self):
        """Answer."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, kind = 200, "application/json"
        if "please fail" in json.dumps(body):
            status, said = 429, json.dumps({"error": {"message": "slow down", "type": "rate", "code": "rate"}})
        elif body.get("stream"):
            kind, each = "text/event-stream", {"id": "chatcmpl-2", "object": "chat.completion.chunk", "model": "gpt-4o"}
            said = "".join(f"data: {json.dumps({**each, **chunk})}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n"
        else:
            said = json.dumps({"embeddings": VECTORS, "responses": RESPONSE}.get(self.path.split("/")[-1], ANSWER))
        self.send(status, kind, said)

    def send(self, status, kind, said):
        """Send an answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())


@contextmanager
def serving():
    """Run the provider; the address of it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def client():
    """A client of OpenAI whose provider is this machine."""
    with serving() as url, openai.OpenAI(api_key="sk-x", base_url=url, max_retries=0) as made:
        yield made


@pytest.fixture
def provider(monkeypatch):
    """A provider of tracers that sends its spans through us, and forgets what was told before."""
    monkeypatch.setattr(pipeline, "sightings", sightings.Sightings())
    made = sdk.TracerProvider()
    made.add_span_processor(otel.SpanProcessor())
    yield made
    assert telemetry.open_spans == {}


@pytest.fixture
def tracer(provider):
    """A tracer of it."""
    return provider.get_tracer("tests")


def instrumented(name, provider):
    """Return a real instrumentation of the openai SDK, switched on."""
    (module,) = needed(name)
    made = module.OpenAIInstrumentor()
    made.instrument(tracer_provider=provider)
    return made


OPENINFERENCE, OPENLLMETRY = "openinference.instrumentation.openai", "opentelemetry.instrumentation.openai"
OFFICIAL = "opentelemetry.instrumentation.openai_v2"


@pytest.fixture(params=[OPENINFERENCE, OPENLLMETRY])
def instrumentation(request, provider):
    """Each of the instrumentations in turn."""
    made = instrumented(request.param, provider)
    yield made
    made.uninstrument()


def ask(client, words="hi", **options):
    """Ask a question."""
    return client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": words}], temperature=0.5, **options
    )


def test_a_call_of_an_instrumented_sdk_is_a_generation(instrumentation, client):
    """A real instrumentation's span is a generation with model, provider, counts, messages, tools and parameters."""
    with capture_events() as events:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=TOOLS, temperature=0.5, max_tokens=20)
    (event,) = events
    said = event.properties
    assert event.name == "$ai_generation"
    assert (said["$ai_model"], said["llm_requested_model"]) == ("gpt-4o-2024-08-06", "gpt-4o")
    assert said["$ai_provider"] == "openai"
    counts = ("input", "output", "total", "cache_read_input", "reasoning")
    assert [said[f"$ai_{each}_tokens"] for each in counts] == [10, 5, 15, 4, 2]
    assert said["$ai_cache_reporting_exclusive"] is False
    asked = said["$ai_input"]
    assert [each["role"] for each in asked] == ["system", "user", "assistant", "tool"]
    assert asked[0]["content"] == "be brief"
    assert asked[1]["content"] == [{"type": "text", "text": "hi"}, {"type": "image", "image": "https://x/y.png"}]
    assert asked[2]["tool_calls"][0]["function"]["name"] == "f"
    assert (asked[3]["tool_call_id"], asked[3]["content"]) == ("c0", "found")
    (answer,) = said["$ai_output_choices"]
    (call,) = answer["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("c1", "f")
    assert json.loads(call["function"]["arguments"]) if isinstance(call["function"]["arguments"], str) else True
    assert said["$ai_model_parameters"]["temperature"] == 0.5
    assert said["$ai_model_parameters"]["max_tokens"] == 20
    assert said["$ai_tools"][0]["type"] == "function"
    assert said["$ai_stop_reason"].startswith("tool_call")
    assert said["$ai_http_status"] == 200
    assert said["$ai_latency"] > 0
    assert said["$ai_parent_id"] == event.trace_id
    assert len(event.trace_id) == 32


def test_vectors_of_an_instrumented_sdk_are_an_embedding(instrumentation, client):
    """Its span of an embedding is an embedding, with what was embedded and the count."""
    with capture_events() as events:
        client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    (event,) = events
    assert (event.name, event.properties["$ai_input"]) == ("$ai_embedding", ["a", "b"])
    assert (event.properties["$ai_input_tokens"], event.properties["$ai_model"]) == (3, "text-embedding-3-small")
    assert "0.25" not in str(event.properties)


def test_a_call_that_fails_is_an_error(instrumentation, client):
    """A failed call is a generation with the class and the text of the error, and says no counts."""
    with capture_events() as events, pytest.raises(openai.RateLimitError):
        ask(client, "please fail")
    (event,) = events
    assert (event.properties["$ai_is_error"], event.properties["$ai_error_type"]) == (True, "RateLimitError")
    assert "slow down" in event.properties["$ai_error"]
    assert "Traceback" in event.properties["llm_stack_trace"]
    assert "$ai_input_tokens" not in event.properties


def test_the_official_instrumentations_call_is_a_generation(provider, client):
    """OpenTelemetry's own span of a call is a generation with model, counts and ending; its words are no attributes."""
    official = instrumented(OFFICIAL, provider)
    with capture_events() as events:
        ask(client)
        client.embeddings.create(model="text-embedding-3-small", input="a")
        with pytest.raises(openai.RateLimitError):
            ask(client, "please fail")
    official.uninstrument()
    call, vectors, failed = (event.properties for event in events)
    assert [event.name for event in events] == ["$ai_generation", "$ai_embedding", "$ai_generation"]
    assert (call["$ai_model"], call["$ai_provider"]) == ("gpt-4o-2024-08-06", "openai")
    assert (call["$ai_input_tokens"], call["$ai_output_tokens"], vectors["$ai_input_tokens"]) == (10, 5, 3)
    assert (failed["$ai_is_error"], failed["$ai_error_type"]) == (True, "RateLimitError")


def streamed(name):
    """Ask for a stream under an instrumentation and print what the events say."""
    provider = sdk.TracerProvider()
    provider.add_span_processor(otel.SpanProcessor())
    instrumented(name, provider)
    with serving() as url, openai.OpenAI(api_key="sk-x", base_url=url) as client, capture_events() as events:
        list(ask(client, stream=True, stream_options={"include_usage": True}))
    print(json.dumps([event.properties for event in events]))


@pytest.mark.parametrize("name", [OPENINFERENCE, OPENLLMETRY])
def test_a_stream_of_an_instrumented_sdk_is_a_generation(name):
    """A stream is one generation with its words, its counts and the time to the first token.

    In a process of its own: not every instrumentation of streams can be taken off again.
    """
    needed(name)
    program = f"from {__name__} import streamed; streamed({name!r})"
    found = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, env=found, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (said,) = json.loads(done.stdout)
    assert (said["$ai_stream"], said["$ai_output_choices"]) == (True, [{"role": "assistant", "content": "Hi"}])
    assert (said["$ai_input_tokens"], said["$ai_output_tokens"], said["$ai_stop_reason"]) == (3, 1, "stop")
    assert 0 < said["$ai_time_to_first_token"] <= said["$ai_latency"]


@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("name", [OPENINFERENCE, OPENLLMETRY, OFFICIAL])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_autopatch_tracks_is_told_once(provider, client, first, name, stream):
    """With autopatch and an instrumentation on the same SDK, whichever came first, a call is one event: autopatch's."""
    needed(name)
    unpatch()
    theirs = None
    try:
        if first == "theirs":
            theirs = instrumented(name, provider)
        autopatch("openai")
        theirs = theirs or instrumented(name, provider)
        with capture_events() as events, llm_span("around") as around:
            answer = ask(client, stream=stream)
            if stream:
                list(answer)
            with pytest.raises(openai.RateLimitError):
                ask(client, "please fail", stream=stream)
    finally:  # in reverse, as each puts back what it found
        for undo in (theirs.uninstrument, unpatch) if first == "ours" else (unpatch, theirs.uninstrument):
            undo()
    calls = [event for event in events if event.name == "$ai_generation"]
    assert len(calls) == 2
    assert all("$ai_base_url" in event.properties and "$ai_request_url" in event.properties for event in calls)
    assert [event.properties.get("$ai_input_tokens") for event in calls] == [3 if stream else 10, None]
    assert {event.properties["$ai_parent_id"] for event in calls} == {around.id}


def test_two_instrumentations_of_one_sdk_are_told_once(provider, client):
    """Two instrumentations at once give one generation for a call."""
    both = [instrumented(name, provider) for name in (OPENINFERENCE, OPENLLMETRY)]
    with capture_events() as events:
        ask(client)
        with pytest.raises(openai.RateLimitError):
            ask(client, "please fail")
    for each in reversed(both):
        each.uninstrument()
    assert [event.name for event in events] == ["$ai_generation"] * 2


KINDS = ["AGENT", "TOOL", "CHAIN", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_openinference_is_a_step(tracer, kind):
    """Each kind of span that is no model call is a step of that type, with its input and output, in its trace."""
    given = {"input.value": '{"q": 1}', "input.mime_type": "application/json", "output.value": "done"}
    with capture_events() as events:
        with tracer.start_as_current_span("outer", attributes={"openinference.span.kind": "CHAIN"}):
            with tracer.start_as_current_span("inner", attributes={"openinference.span.kind": kind, **given}):
                pass
    inner, outer = events
    assert (inner.name, outer.name) == ("$ai_span", "$ai_trace")
    assert (inner.properties["$ai_span_name"], inner.properties["$ai_span_type"]) == ("inner", kind.lower())
    assert (inner.properties["$ai_input_state"], inner.properties["$ai_output_state"]) == ({"q": 1}, "done")
    assert inner.properties["$ai_parent_id"] == outer.uuid
    assert inner.trace_id == outer.trace_id


def test_what_is_no_genai_is_passed_over(tracer):
    """A span of a database is no event, and those inside it belong to the one around it."""
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    with capture_events() as events:
        with tracer.start_as_current_span("invoke_agent planner", attributes=agent):
            with tracer.start_as_current_span("SELECT", attributes={"db.system": "sqlite"}):
                with tracer.start_as_current_span("execute_tool search", attributes=tool):
                    pass
        with tracer.start_as_current_span("GET /", attributes={"http.request.method": "GET"}):
            pass
    inner, outer = events
    assert (inner.properties["$ai_span_name"], outer.properties["$ai_span_name"]) == ("search", "planner")
    assert (inner.properties["$ai_parent_id"], inner.properties["$ai_span_type"]) == (outer.uuid, "tool")


def test_steps_of_both_kinds_lie_in_each_other(tracer):
    """llm_span in their span in llm_span: each has the nearest one around it as its parent, and one trace, one user."""
    with capture_events() as events:
        with llm_span("1", user_id="u") as first:
            with tracer.start_as_current_span("2", attributes={"openinference.span.kind": "AGENT"}):
                with llm_span("3"):
                    assert current_trace_id() == first.trace_id
                    with tracer.start_as_current_span("4", attributes={"openinference.span.kind": "TOOL"}):
                        pass
    names = {event.uuid: event.properties["$ai_span_name"] for event in events}
    parents = {names[event.uuid]: names.get(event.properties.get("$ai_parent_id")) for event in events}
    assert parents == {"4": "3", "3": "2", "2": "1", "1": None}
    assert {event.trace_id for event in events} == {first.trace_id}
    assert {event.distinct_id for event in events} == {"u"}


def test_a_thread_that_knows_their_span_alone_is_in_the_trace(tracer):
    """Where a thread was given the context of OpenTelemetry and not ours, steps of both kinds are in their place."""
    (otel_context,) = needed("opentelemetry.context")

    def work(around):
        otel_context.attach(around)
        tracer.start_span("chat m", attributes=LLM).end()
        with llm_span("step"):
            pass

    with capture_events() as events, llm_span("ours", user_id="u") as ours:
        with tracer.start_as_current_span("agent", attributes={"openinference.span.kind": "AGENT"}):
            thread = threading.Thread(target=work, args=(otel_context.get_current(),))
            thread.start()
            thread.join()
    agent = next(event for event in events if event.properties.get("$ai_span_name") == "agent")
    inside = [event for event in events if event.properties.get("$ai_parent_id") == agent.uuid]
    assert [event.name for event in inside] == ["$ai_generation", "$ai_span"]
    assert {event.trace_id for event in events} == {ours.trace_id}
    assert {event.distinct_id for event in events} == {"u"}


def test_a_tracked_call_lies_in_their_agent(tracer, client):
    """A call that autopatch tracks has the agent of another tracer as its parent, and its trace."""
    unpatch()
    autopatch("openai")
    with capture_events() as events:
        with tracer.start_as_current_span("agent", attributes={"openinference.span.kind": "AGENT"}) as span:
            ask(client)
    unpatch()
    call, agent = events
    assert (call.name, agent.name) == ("$ai_generation", "$ai_trace")
    assert call.properties["$ai_parent_id"] == agent.uuid
    assert call.trace_id == agent.trace_id == f"{span.get_span_context().trace_id:032x}"


LLM = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "openai"}


def test_a_model_call_inside_of_a_homemade_one_is_that_one(tracer):
    """A span of a model call inside of @track_llm(kind="generation"), or around it, is told once; a tool's is not."""

    @track_llm(kind="generation", provider="own")
    def generate(question):
        with tracer.start_as_current_span("chat m", attributes=LLM):
            return question

    @track_llm(kind="generation", provider="own")
    def asks_a_tool(question):
        with tracer.start_as_current_span("tool", attributes={"openinference.span.kind": "TOOL"}):
            with tracer.start_as_current_span("chat m", attributes=LLM):
                return question

    with capture_events() as inside:
        generate("x")
    with capture_events() as around, tracer.start_as_current_span("chat m", attributes=LLM):
        generate("x")
    with capture_events() as tool:
        asks_a_tool("x")
    assert [event.name for event in inside] == ["$ai_generation"]
    assert [event.properties["$ai_provider"] for event in around] == ["own"]
    assert sorted(event.name for event in tool) == ["$ai_generation", "$ai_generation", "$ai_span"]


def test_a_model_call_that_one_of_ours_lies_between_is_another(tracer):
    """A step of ours between a span and a model call in it makes two calls of them."""

    @track_llm(kind="generation", provider="own")
    def generate(question):
        return question

    with capture_events() as events, tracer.start_as_current_span("chat m", attributes=LLM):
        with llm_span("between"):
            generate("x")
    assert [event.name for event in events].count("$ai_generation") == 2


@pytest.fixture
def late(provider):
    """A tracer of OpenInference, whose spans say what they are when they end, as those of LangChain do."""
    tracer = provider.get_tracer("openinference.instrumentation.tests")

    @contextmanager
    def span(name, kind):
        with tracer.start_as_current_span(name) as made:
            yield made
            made.set_attributes({"openinference.span.kind": kind, "llm.model_name": "m"})

    return span


def test_spans_that_say_late_what_they_are_have_their_place(late, provider):
    """A step lies in a chain that ends after it and says only then that it is one; what is around it is the trace."""
    with capture_events() as events, late("chain", "CHAIN"), late("agent", "AGENT"):
        with late("tool", "TOOL"), late("model", "LLM"):
            pass
        provider.force_flush()
        assert {event.name for event in events} == {"$ai_generation", "$ai_span"}
    parents = {
        event.properties.get("$ai_span_name", "model"): event.properties.get("$ai_parent_id") for event in events
    }
    ids = {event.properties.get("$ai_span_name", "model"): event.uuid for event in events}
    assert parents == {"model": ids["tool"], "tool": ids["agent"], "agent": ids["chain"], "chain": None}


def test_two_spans_that_say_late_that_they_are_one_call_are_told_once(late):
    """A model call in a model call is told once, in the step around both."""
    with capture_events() as events, late("chain", "CHAIN"), late("outer", "LLM"), late("inner", "LLM"):
        pass
    assert sorted(event.name for event in events) == ["$ai_generation", "$ai_trace"]
    (chain,) = (event for event in events if event.name == "$ai_trace")
    assert {event.properties.get("$ai_parent_id") for event in events} == {None, chain.uuid}


def test_a_tracked_call_lies_in_a_chain_that_says_late_that_it_is_one(late, client):
    """A call of ours in such a span is told once, in the chain around it, which may end long after it."""
    unpatch()
    autopatch("openai")
    with capture_events() as events, late("chain", "CHAIN"), late("model", "LLM"):
        ask(client)
        assert len(events.settle()) == 1
    unpatch()
    call, chain = events
    assert (call.name, call.properties["$ai_parent_id"]) == ("$ai_generation", chain.uuid)
    assert chain.properties["$ai_span_name"] == "chain"


def test_a_tracked_call_is_all_of_the_calls_that_say_late_that_they_are_it(late, client):
    """A call of ours in two such spans, one in the other, is told once."""
    unpatch()
    autopatch("openai")
    with capture_events() as events, late("outer", "LLM"), late("inner", "LLM"):
        ask(client)
    unpatch()
    assert ["$ai_request_url" in event.properties for event in events] == [True]


def test_three_spans_of_one_call_are_told_once(late):
    """However many spans lie around the innermost one, they tell nothing."""
    with capture_events() as events, late("1", "LLM"), late("2", "LLM"), late("3", "LLM"):
        pass
    assert [event.name for event in events] == ["$ai_generation"]


def test_a_step_between_two_calls_makes_them_two(late, tracer):
    """A chain between two spans of model calls tells them apart, also where it says late that it is one."""
    with capture_events() as events, tracer.start_as_current_span("chat m", attributes=LLM):
        with late("chain", "CHAIN"), late("inner", "LLM"):
            pass
    assert sorted(event.name for event in events) == ["$ai_generation", "$ai_generation", "$ai_span"]


def test_a_model_that_an_endpoint_asks_is_a_call_of_its_own(tracer, client):
    """A span of a model call inside of a request of ours that is no model call is told."""

    def asks(_):
        tracer.start_span("chat m", attributes=LLM).end()

    unpatch()
    autopatch("openai")
    with capture_events() as events, openai.DefaultHttpxClient(event_hooks={"request": [asks]}) as transport:
        list(client.with_options(http_client=transport).models.list())
    unpatch()
    assert sorted(event.name for event in events) == ["$ai_generation", "$ai_span"]


def test_what_ends_at_once_in_two_threads_is_not_forgotten(provider):
    """What waits for a span that has ended meanwhile is told."""
    tracer = provider.get_tracer("openinference.instrumentation.tests")
    with capture_events() as events:
        outer = tracer.start_span("outer")
        inner = tracer.start_span("inner", context=trace.set_span_in_context(outer), attributes=LLM)

        def ends_meanwhile(each):
            found = undecided(each)
            if outer.is_recording():
                outer.end()
            return found

        undecided = telemetry.Seen.undecided
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(telemetry.Seen, "undecided", ends_meanwhile)
            inner.end()
    assert [event.name for event in events] == ["$ai_generation"]


def test_a_span_that_is_dropped_is_kept_by_nobody(provider):
    """A span that never ends is gone with the last who held it, and what waited for it is told."""
    tracer = provider.get_tracer("openinference.instrumentation.tests")
    with capture_events() as events:
        outer = tracer.start_span("outer")
        tracer.start_span("inner", context=trace.set_span_in_context(outer), attributes=LLM).end()
        assert events.settle() == []
        dropped = weakref.ref(outer)
        del outer
        gc.collect()
        assert dropped() is None
        assert telemetry.open_spans == {}
        assert [event.name for event in events.settle()] == ["$ai_generation"]


def test_of_too_many_open_spans_the_oldest_is_given_up(provider, monkeypatch):
    """What waited for a span that is no longer waited for is told."""
    monkeypatch.setattr(otel, "_MOST_OPEN", 2)
    tracer = provider.get_tracer("openinference.instrumentation.tests")
    with capture_events() as events:
        outer = tracer.start_span("outer")
        tracer.start_span("inner", context=trace.set_span_in_context(outer), attributes=LLM).end()
        others = [tracer.start_span("other") for _ in range(2)]
        assert [event.name for event in events.settle()] == ["$ai_generation"]
        for each in (outer, *others):
            each.end()


SAME_ID = {**LLM, "gen_ai.response.id": ANSWER["id"]}


@pytest.fixture
def patched():
    """Have autopatch on."""
    unpatch()
    autopatch("openai")
    yield
    unpatch()


def test_a_span_that_is_not_the_active_one_tells_nothing_of_a_call_that_is_told(patched, tracer, client):
    """A span around a call of ours, never made the active one, is that call by the id of its answer, each time anew."""
    with capture_events() as events:
        for _ in range(3):
            span = tracer.start_span("chat m", attributes=SAME_ID)
            ask(client)
            span.end()
    assert ["$ai_request_url" in event.properties for event in events] == [True] * 3


def test_the_same_id_again_is_another_call(patched, tracer, client):
    """Where a server gives the same id again, what one tracer tells of before or after is told, as often as it does."""
    with capture_events() as events:
        for _ in range(2):
            tracer.start_span("chat m", attributes=SAME_ID).end()
        ask(client)
        with tracer.start_as_current_span("chat m", attributes=SAME_ID):
            ask(client)
        tracer.start_span("chat m", attributes=SAME_ID).end()
    assert ["$ai_request_url" in event.properties for event in events] == [False, False, True, True, False]


def test_calls_at_once_with_the_same_id_are_told_each(patched, tracer, client):
    """A span stands for one call: of two calls at once whose answers have one id, seen by ours or by it, both are."""
    with capture_events() as events:
        unseen, seen = (tracer.start_span("chat m", attributes=SAME_ID) for _ in range(2))
        ask(client)
        seen.end()
        unseen.end()
        same_id = {**LLM, "gen_ai.response.id": "chatcmpl-2"}
        with tracer.start_as_current_span("chat m", attributes=same_id):
            other = tracer.start_span("chat m", context=Context(), attributes=same_id)
            stream = ask(client, stream=True)
            other.end()
            list(stream)
    assert sorted("$ai_request_url" in event.properties for event in events) == [False, False, True, True]


def test_a_span_that_ends_before_a_call_of_ours_is_the_one_event(patched, tracer, client):
    """Where the span is known first, as that of a stream that is closed, the call is told by it, and so is feedback."""
    with capture_events() as events:
        span = tracer.start_span("chat m", attributes={**LLM, "gen_ai.response.id": "chatcmpl-2"})
        stream = ask(client, stream=True)
        next(iter(stream))
        span.end()
        stream.close()
        events.settle()
        llm_track.feedback(stream, "good")
    told, feedback = events
    assert "$ai_request_url" not in told.properties
    assert feedback.properties["$ai_trace_id"] == told.trace_id
    assert llm_track.stats()["told_elsewhere"] >= 1


def test_two_tracers_that_know_nothing_of_each_other_are_told_once(provider):
    """Two spans of one call, of which neither lies in the other, are one event, whichever ends first, each time."""
    one, other = (provider.get_tracer(name) for name in ("one", "other"))
    with capture_events() as events:
        for _ in range(3):
            both = [tracer.start_span("chat m", attributes=SAME_ID) for tracer in (one, other)]
            for span in both:
                span.end()
    assert len(events) == 3


def test_a_fetched_result_of_a_batch_is_no_span_of_another_call(patched, nothing_told, tracer, client):
    """A result with the id of an answer that a span tells of takes nothing from the span, nor the span from it."""
    with capture_events() as events:
        for _ in range(2):
            span = tracer.start_span("chat m", attributes=SAME_ID)
            client.files.content("file-out").read()
            span.end()
    assert sorted(event.name for event in events) == ["$ai_generation"] * 3 + ["$ai_span"] * 2
    assert ["llm_batch" in event.properties for event in events if event.name != "$ai_span"] == [True, False, False]


def answered(asked):
    """Ask for responses, or fetch them, with autopatch and an instrumentation, and print which events there are."""
    provider = sdk.TracerProvider()
    provider.add_span_processor(otel.SpanProcessor())
    autopatch("openai")
    instrumented(OPENLLMETRY, provider)
    with serving() as url, openai.OpenAI(api_key="sk-x", base_url=url, max_retries=0) as made, capture_events() as told:
        for words in asked:
            try:
                made.responses.create(model="gpt-4o", input=words) if words else made.responses.retrieve("resp_1")
            except openai.RateLimitError:
                pass
    names = [event.name for event in told]
    print(json.dumps([names, [event.properties.get("$ai_is_error", False) for event in told]]))


@pytest.mark.parametrize(
    ("asked", "kinds", "errors"),
    [
        (["hi", "please fail"] * 2, ["generation"] * 4, [False, True] * 2),
        (["hi", None, None], ["generation", "span", "span"], [False] * 3),
    ],
    ids=["failed", "fetched"],
)
def test_a_tracer_that_tells_afterwards_tells_nothing_of_our_calls(asked, kinds, errors):
    """OpenLLMetry makes a span when a response is there, is fetched again or has failed: autopatch told of it before.

    In a process of its own: this instrumentation cannot be taken off again.
    """
    needed(OPENLLMETRY)
    program = f"from {__name__} import answered; answered({asked!r})"
    found = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, env=found, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[f"$ai_{kind}" for kind in kinds], errors]


def test_privacy_holds_for_their_spans(tracer):
    """no_log, content and set_content around a span hold for its event."""
    said = {
        **LLM,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "my words"}]}]),
    }
    with capture_events() as events:
        with llm_span("silent", no_log=True):
            tracer.start_span("chat m", attributes=said).end()
        with llm_span("held", content="metadata"):
            tracer.start_span("chat m", attributes=said).end()
        set_content(False)
        tracer.start_span("chat m", attributes=said).end()
        set_content(None)
        assert "my words" not in str(events.settle())
        tracer.start_span("chat m", attributes=said).end()
    assert [event.name for event in events].count("$ai_generation") == 3
    assert "my words" in str(events[-1].properties["$ai_input"])


def test_what_is_not_sampled_is_not_sent():
    """A span that the program's sampler leaves out is no event, and neither is any where llm_track is off."""
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    made = sdk.TracerProvider(sampler=ALWAYS_OFF)
    made.add_span_processor(otel.SpanProcessor())
    on = sdk.TracerProvider()
    on.add_span_processor(otel.SpanProcessor())
    with capture_events() as events:
        made.get_tracer("t").start_span("chat m", attributes=LLM).end()
        llm_track.configure(enabled=False)
        on.get_tracer("t").start_span("chat m", attributes=LLM).end()
    assert events == []


def test_who_asks_is_read_from_the_span(tracer):
    """User, session and metadata of a span are those of its event; a step of ours around it comes first."""
    theirs = {"user.id": "them", "session.id": "s", "metadata": '{"plan": "pro"}', "tag.tags": ["a"]}
    with capture_events() as events:
        tracer.start_span("chat m", attributes={**LLM, **theirs}).end()
        with llm_span("ours", user_id="us"):
            tracer.start_span("chat m", attributes={**LLM, **theirs}).end()
    assert [event.distinct_id for event in events[:2]] == ["them", "us"]
    assert {event.properties["$ai_session_id"] for event in events[:2]} == {"s"}
    assert (events[0].properties["plan"], events[0].properties["tags"]) == ("pro", ["a"])


def test_time_is_that_of_the_span(tracer):
    """Latency, end and the time to the first token are the span's own, in seconds."""
    second = 1_000_000_000
    span = tracer.start_span("chat m", attributes=LLM, start_time=100 * second)
    span.add_event("First Token Stream Event", timestamp=101 * second)
    with capture_events() as events:
        span.end(end_time=103 * second)
    (event,) = events
    assert (event.properties["$ai_latency"], event.timestamp.timestamp()) == (3.0, 103.0)
    assert event.properties["$ai_time_to_first_token"] == 1.0


@pytest.mark.parametrize(
    ("error", "outcome"), [("CancelledError", "cancelled"), ("GeneratorExit", "closed_early"), ("503", "failed")]
)
def test_endings_are_told_by_the_error(tracer, error, outcome):
    """A span that was cancelled, or left, or that failed with a status, says so."""
    span = tracer.start_span("chat m", attributes={**LLM, "error.type": error})
    span.set_status(trace.Status(trace.StatusCode.ERROR, "what happened"))
    with capture_events() as events:
        span.end()
    (event,) = events
    assert event.properties["llm_outcome"] == outcome
    assert ("$ai_error" in event.properties) == (outcome != "closed_early")
    assert outcome != "failed" or event.properties["$ai_http_status"] == 503


def test_the_processor_delivers_when_it_is_asked_to(provider):
    """force_flush and shutdown hand over what was told."""
    with capture_events() as events:
        provider.get_tracer("t").start_span("chat m", attributes=LLM).end()
        assert provider.force_flush()
        assert len(events) == 1
        provider.get_tracer("t").start_span("chat m", attributes=LLM).end()
        provider.shutdown()
        assert len(events) == 2


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"traceloop.span.kind": "workflow"}, "chain"),
        ({"traceloop.span.kind": "task"}, "span"),
        ({"traceloop.span.kind": "agent"}, "agent"),
        ({"llm.request.type": "completion"}, "generation"),
        ({"llm.request.type": "rerank"}, "reranker"),
        ({"gen_ai.operation.name": "something new"}, "span"),
        ({"gen_ai.tool.name": "f"}, "tool"),
        ({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1}, "generation"),
        ({"gen_ai.request.model": "m"}, None),
        ({"openinference.span.kind": "UNKNOWN"}, "span"),
        ({"openinference.span.kind": "not a name"}, "span"),
        ({"http.request.method": "POST"}, None),
    ],
)
def test_conventions_of_all_kinds_are_known(attributes, kind):
    """Older and newer conventions, OpenLLMetry's and OpenInference's say what a span is."""
    assert spans.kind(attributes) == kind


@pytest.mark.parametrize(
    ("attributes", "provider"),
    [
        ({"gen_ai.system": "az.ai.openai"}, "azure"),
        ({"gen_ai.provider.name": "AWS.Bedrock"}, "amazon-bedrock"),
        ({"llm.provider": "azure", "llm.system": "openai"}, "azure"),
        ({"gen_ai.provider.name": "openai", "gen_ai.openai.api_base": "https://api.groq.com/openai/v1"}, "groq"),
        ({"gen_ai.provider.name": "openai", "server.address": "api.deepseek.com", "server.port": 443}, "deepseek"),
        ({"gen_ai.system": "someone"}, "someone"),
        ({}, "unknown"),
    ],
)
def test_the_provider_is_who_bills(attributes, provider):
    """Names of providers are PostHog's, and an address says more than the SDK's name."""
    assert spans.provider(attributes) == provider


def test_messages_of_the_conventions_are_drawn():
    """Reasoning, files, pictures and results of tools have shapes that PostHog draws, and nothing unknown is lost."""
    parts = [
        {"type": "reasoning", "content": "thinking"},
        {"type": "text", "content": "words"},
        {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
    ]
    assert messages.of_message({"role": "assistant", "parts": parts}) == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "thinking"},
                {"type": "text", "text": "words"},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
            ],
        }
    ]
    media = [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
        {"type": "blob", "modality": "audio", "content": "UklG"},
        {"type": "uri", "modality": "video", "uri": "gs://x"},
        {"type": "file", "file_id": "file-1"},
        {"type": "new", "what": 7},
        "bare",
    ]
    drawn = json.dumps(messages.of_message({"role": "user", "parts": media}))
    assert all(each in drawn for each in ("image/png", "iVBO", "UklG", "[video gs://x]", "file-1", "what", "bare"))
    answers = [{"type": "tool_call_response", "id": "c", "response": {"ok": 1}}]
    assert messages.of_message({"role": "tool", "parts": answers}) == [
        {"role": "tool", "tool_call_id": "c", "content": '{"ok":1}'}
    ]
    assert messages.instructions('[{"type": "text", "content": "be"}]') == [{"role": "system", "content": "be"}]
    assert messages.instructions("be") == [{"role": "system", "content": "be"}]
    assert messages.instructions(None) == messages.instructions("") == []


def test_numbered_attributes_are_read():
    """OpenLLMetry's older attributes are messages, in the order of their numbers, with their calls of tools."""
    attributes = {
        "llm.request.type": "chat",
        "gen_ai.system": "Anthropic",
        "gen_ai.request.model": "claude",
        "gen_ai.prompt.10.role": "user",
        "gen_ai.prompt.10.content": "last",
        "gen_ai.prompt.2.role": "user",
        "gen_ai.prompt.2.content": '[{"type": "text", "text": "first"}]',
        "gen_ai.completion.0.content": "answer",
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.completion.0.tool_calls.0.id": "c",
        "gen_ai.completion.0.tool_calls.0.name": "f",
        "gen_ai.completion.0.tool_calls.0.arguments": "{}",
        "gen_ai.usage.prompt_tokens": 3,
        "gen_ai.usage.completion_tokens": 4,
        "gen_ai.usage.cache_read_input_tokens": 2,
        "llm.request.functions.0.name": "f",
        "llm.is_streaming": True,
    }
    asked = spans.request(attributes, (), "generation")
    assert asked.input == [{"role": "user", "content": "first"}, {"role": "user", "content": "last"}]
    assert (asked.tools, asked.stream, asked.model) == ([{"name": "f"}], True, "claude")
    told = spans.response(attributes, ())
    (answer,) = told.output
    assert (answer["content"], answer["tool_calls"][0]["function"]["name"]) == ("answer", "f")
    assert (told.usage.input_tokens, told.usage.output_tokens, told.usage.cache_read_tokens) == (3, 4, 2)


def test_events_of_the_older_conventions_are_read(tracer):
    """Messages that are events of the span are what was asked and answered."""
    span = tracer.start_span("chat m", attributes=LLM)
    span.add_event("gen_ai.system.message", {"content": "be"})
    span.add_event("gen_ai.user.message", {"content": "hi"})
    span.add_event("gen_ai.tool.message", {"content": "found", "id": "c"})
    span.add_event("gen_ai.choice", {"message": '{"content": "answer"}', "finish_reason": "stop", "index": 0})
    with capture_events() as events:
        span.end()
    assert [each["content"] for each in events[0].properties["$ai_input"]] == ["be", "hi", "found"]
    assert events[0].properties["$ai_output_choices"] == [{"role": "assistant", "content": "answer"}]


def test_the_oldest_events_and_plain_prompts_are_read(tracer):
    """A prompt and a completion that are one event each, or one value each, are one message each."""
    old = tracer.start_span("completion", attributes=LLM)
    old.add_event("gen_ai.content.prompt", {"gen_ai.prompt": '[{"role": "system", "content": "be"}]'})
    old.add_event("gen_ai.content.completion", {"gen_ai.completion": "answer"})
    plain = {"openinference.span.kind": "LLM", "input.value": "once", "output.value": "upon", "llm.model_name": "m"}
    with capture_events() as events:
        old.end()
        tracer.start_span("completion", attributes=plain).end()
    assert [event.properties["$ai_input"][0]["content"] for event in events] == ["be", "once"]
    assert [event.properties["$ai_output_choices"][0]["content"] for event in events] == ["answer", "upon"]


def test_attributes_that_nobody_can_read_do_no_harm(tracer):
    """Broken JSON, numbers that are none and fields inside of values leave out what they are about, and no more."""
    broken = {
        **LLM,
        "gen_ai.input.messages": "{",
        "gen_ai.output.messages": "[1]",
        "gen_ai.prompt.x.role": "user",
        "gen_ai.completion.0": "text",
        "gen_ai.completion.0.content": "inside",
        "gen_ai.usage.input_tokens": "many",
        "llm.invocation_parameters": "[",
        "llm.tools.0.tool.json_schema": "{",
        "gen_ai.response.finish_reasons": (),
    }
    with capture_events() as events:
        tracer.start_span("chat m", attributes=broken).end()
    (event,) = events
    assert (event.name, event.properties["$ai_model"]) == ("$ai_generation", "m")
    assert "$ai_input_tokens" not in event.properties
