"""Which call an event belongs to, where the program's own code runs inside an SDK's call."""

from __future__ import annotations

import asyncio
import copy
import gc
import json

import openai
import pytest

import llm_track
from llm_track import llm_span, track_llm
from llm_track.testing import capture_events
from tests.providers.offline import client, http_of


@pytest.fixture(autouse=True)
def patched():
    """Hook, and leave no hook behind."""
    llm_track.autopatch()
    yield
    llm_track.unpatch()


def answer(request):
    """Answer a chat as the model that was asked, with seven tokens."""
    asked = json.loads(request.content)
    body = {
        "id": f"chatcmpl-{asked['model']}",
        "object": "chat.completion",
        "created": 1,
        "model": asked["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7},
    }
    return http_of(openai).Response(200, json=body)


def ask(made, model="outer"):
    """Ask a chat model."""
    return made.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


def models(events):
    """Return the models of the generations."""
    return [event.properties["$ai_model"] for event in events if event.name == "$ai_generation"]


def test_a_call_inside_the_reading_of_an_answer_is_its_own():
    """A client subclass that asks a judge while it reads an answer makes two generations, each with its own tokens."""

    class Judged(openai.OpenAI):
        def _process_response(self, **given):
            if "outer" in given["response"].text:
                ask(judge, "judge")
            return super()._process_response(**given)

    judge = client(openai, "OpenAI", answer)
    outer = client(openai, "OpenAI", answer)
    outer.__class__ = Judged
    with capture_events() as events:
        assert ask(outer).model == "outer"
    assert sorted(models(events)) == ["judge", "outer"]


def test_a_hook_of_the_http_client_that_asks_makes_a_call_of_its_own():
    """A model asked by an HTTP event hook of the program is a second generation."""
    other = client(openai, "OpenAI", answer)
    made = client(openai, "OpenAI", answer)
    made._client.event_hooks["request"].append(lambda request: ask(other, "guard"))
    with capture_events() as events:
        ask(made)
    assert sorted(models(events)) == ["guard", "outer"]


def test_a_home_made_generation_owns_the_calls_it_makes():
    """A function that is itself the generation counts the SDK's call inside as part of it."""

    @track_llm(kind="generation", provider="acme", model="acme-1")
    def layered(question):
        return ask(made).choices[0].message.content

    made = client(openai, "OpenAI", answer)
    with capture_events() as events:
        layered("why?")
    assert models(events) == ["acme-1"]


def test_two_hooks_on_top_of_each_other_make_one_event():
    """A wrapper of somebody else between two hooks of ours does not double a call."""
    ours = vars(openai.OpenAI)["request"]

    def theirs(self, *args, **kwargs):
        return ours.__get__(self, type(self))(*args, **kwargs)

    openai.OpenAI.request = theirs
    try:
        llm_track.autopatch()
        with capture_events() as events:
            ask(client(openai, "OpenAI", answer))
        assert models(events) == ["outer"]
    finally:
        llm_track.unpatch()
        if "request" in vars(openai.OpenAI):
            del openai.OpenAI.request


def test_one_span_object_may_be_open_twice():
    """A span object that is entered while it is open opens a second span, and both end."""
    span = llm_span("again", user_id="alice")
    with capture_events() as events:
        with span, span:
            pass
        with llm_span("later"):
            pass
    assert [event.properties["$ai_span_name"] for event in events] == ["again", "again", "later"]
    assert [event.distinct_id for event in events] == ["alice", "alice", None]


def test_a_pending_call_that_is_collected_elsewhere_changes_nobodys_place():
    """A call whose event loop was thrown away, collected in another user's span, leaves that span the current one."""

    async def never(request):
        await asyncio.Event().wait()

    async def wait_a_moment(made):
        task = asyncio.get_running_loop().create_task(ask(made))
        await asyncio.sleep(0.01)
        return task

    transport = http_of(openai).MockTransport(never)
    http = openai.DefaultAsyncHttpxClient(transport=transport)
    loop = asyncio.new_event_loop()
    with capture_events() as events:
        with llm_span("first", user_id="alice"):
            made = openai.AsyncOpenAI(api_key="x", max_retries=0, http_client=http)
            task = loop.run_until_complete(wait_a_moment(made))
        with llm_span("second", user_id="bob") as second:
            del task, made, http, transport, loop
            gc.collect()
            assert llm_track.current_trace_id() == second.trace_id
        assert llm_track.current_trace_id() is None
    users = {event.properties.get("$ai_span_name"): event.distinct_id for event in events}
    assert (users["first"], users["second"]) == ("alice", "bob")


def test_a_generator_that_belongs_to_somebody_else_is_handed_out_untouched():
    """A plain tracked function that returns a shared generator returns that very object, and ends at once."""
    shared = iter_numbers()

    @track_llm
    def items():
        return shared

    with capture_events() as events:
        assert items() is shared
        assert next(items()) == 0
        assert list(shared) == [1, 2]
    assert [event.properties["llm_outcome"] for event in events] == ["completed", "completed"]


def test_a_fresh_generator_of_a_plain_function_runs_inside_its_span():
    """What a plain tracked function makes and hands out, unstarted, is part of its step."""

    @track_llm
    def stream():
        return iter_numbers()

    with capture_events() as events:
        assert list(stream()) == [0, 1, 2]
    assert [event.properties["$ai_output_state"] for event in events] == [[0, 1, 2]]


def iter_numbers():
    """Yield three numbers."""
    yield from range(3)


def test_one_client_alone_is_tracked_and_so_are_its_copies():
    """instrument() tracks one client and what with_options makes of it, and leaves every other client alone."""
    llm_track.unpatch()
    chosen = llm_track.instrument(client(openai, "OpenAI", answer))
    with capture_events() as events:
        ask(chosen, "chosen")
        ask(chosen.with_options(timeout=5), "copied")
        ask(client(openai, "OpenAI", answer), "other")
        assert not vars(chosen).keys() & {"request", "_process_response", "copy"}
        assert vars(copy.copy(chosen)).keys() == vars(chosen).keys()
    assert models(events) == ["chosen", "copied"]
    with pytest.raises(llm_track.ConfigurationError, match="no client of type builtins.object"):
        llm_track.instrument(object())


def test_a_task_started_during_a_call_is_not_blind_afterwards():
    """A task that copied its context while a call ran makes its own generations."""

    async def main():
        made = client(openai, "OpenAI", answer)
        tasks = []

        def start(request):
            tasks.append(asyncio.get_running_loop().create_task(later()))

        async def later():
            ask(client(openai, "OpenAI", answer), "task")

        made._client.event_hooks["request"].append(start)
        ask(made)
        await asyncio.gather(*tasks)

    with capture_events() as events:
        asyncio.run(main())
    assert sorted(models(events)) == ["outer", "task"]


def test_unusable_arguments_of_a_span_do_not_undo_the_others(caplog):
    """A span whose metadata is no dict still silences what it was told to silence, and one log line says why."""
    with capture_events() as events, llm_span("secret", no_log=True, metadata="text"):
        ask(client(openai, "OpenAI", answer))
    assert events == []
    assert "ignores metadata of type str" in caplog.text
