"""`track_llm` on every kind of callable."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import subprocess
import sys
import warnings

import dill
import pytest

from llm_track import llm_span, track_llm
from llm_track.context import current
from llm_track.formats import chat_completions
from llm_track.testing import capture_events


@track_llm
def add(a, b=1):
    """Add."""
    return a + b


@track_llm
async def add_later(a, b=1):
    await asyncio.sleep(0)
    return a + b


@track_llm(name="counting", kind="agent")
def count(stop):
    for number in range(stop):
        received = yield number
        if received == "raise":
            raise ValueError("asked to")
    return "counted"


@track_llm
async def count_later(stop):
    for number in range(stop):
        await asyncio.sleep(0)
        received = yield number
        if received == "raise":
            raise ValueError("asked to")


class Shop:
    """Methods of each kind, decorated inside and outside."""

    name = "shop"

    @track_llm
    def method(self, item):
        return self.name, item

    @track_llm
    @classmethod
    def class_outside(cls, item):
        return cls.name, item

    @classmethod
    @track_llm
    def class_inside(cls, item):
        return cls.name, item

    @track_llm
    @staticmethod
    def static_outside(item):
        return item

    @staticmethod
    @track_llm
    def static_inside(item):
        return item

    def __eq__(self, other):
        return type(other) is Shop

    __hash__ = object.__hash__


def only(events):
    """Return the properties of the one event."""
    assert len(events) == 1
    return events[0].properties


def test_a_function_is_a_step_with_its_arguments_and_result():
    """A call gives one event with the arguments by name, the result, and the function's name."""
    with capture_events() as events:
        assert add(2) == 3
    assert only(events)["$ai_input_state"] == {"a": 2}
    assert only(events)["$ai_output_state"] == 3
    assert only(events)["$ai_span_name"] == "add"


def test_a_coroutine_function_runs_inside_its_span():
    """A coroutine gives one event when it has run, and a coroutine that never runs gives none."""
    with capture_events() as events:
        assert asyncio.run(add_later(1, b=2)) == 3
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            add_later(1)
    assert only(events)["$ai_output_state"] == 3
    assert [str(warning.message) for warning in caught] == ["coroutine 'add_later' was never awaited"]


def test_a_generator_keeps_its_protocol():
    """send, throw, close and the return value work as without the decorator; its output is what it yielded."""
    with capture_events() as events:
        generator = count(3)
        assert inspect.isgenerator(generator)
        assert [next(generator), generator.send("go")] == [0, 1]
        with pytest.raises(ValueError, match="asked to"):
            generator.send("raise")
        with pytest.raises(StopIteration):
            next(generator)
        whole = count(2)
        results = []
        try:
            while True:
                results.append(next(whole))
        except StopIteration as stop:
            results.append(stop.value)
    assert results == [0, 1, "counted"]
    assert [event.properties["llm_outcome"] for event in events] == ["failed", "completed"]
    assert events[1].properties["$ai_output_state"] == [0, 1]
    assert events[1].properties["$ai_span_type"] == "agent"
    assert events[1].properties["$ai_span_name"] == "counting"


def test_a_generator_throws_into_its_body():
    """An exception thrown in reaches the body, which may answer it with a value."""

    @track_llm
    def stubborn():
        while True:
            try:
                yield "fine"
            except KeyError as error:
                yield f"caught {error}"

    with capture_events() as events:
        generator = stubborn()
        assert next(generator) == "fine"
        assert generator.throw(KeyError("x")) == "caught 'x'"
        generator.close()
    assert only(events)["llm_outcome"] == "closed_early"
    assert only(events)["$ai_output_state"] == "finecaught 'x'"


def test_an_async_generator_keeps_its_protocol():
    """asend, athrow and aclose work as without the decorator."""

    async def main():
        seen = [number async for number in count_later(2)]
        generator = count_later(5)
        seen += [await generator.asend(None), await generator.asend("go")]
        with pytest.raises(ValueError, match="asked to"):
            await generator.asend("raise")
        other = count_later(5)
        await other.asend(None)
        with pytest.raises(KeyError):
            await other.athrow(KeyError("x"))
        third = count_later(5)
        await third.asend(None)
        await third.aclose()
        return seen

    with capture_events() as events:
        assert asyncio.run(main()) == [0, 1, 0, 1]
    assert [event.properties["llm_outcome"] for event in events] == ["completed", "failed", "failed", "closed_early"]


def test_nothing_leaks_from_a_generator_into_its_consumer():
    """Between two steps the consumer stands where it stood before."""
    with capture_events() as events, llm_span("consumer") as consumer:
        for _ in count(2):
            assert current() is not None
            assert current().id == consumer.id
            add(1)
    parents = {event.properties["$ai_span_name"]: event.properties.get("$ai_parent_id") for event in events}
    assert parents["add"] == parents["counting"] == consumer.id


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: Shop().method("x"), ("shop", "x")),
        (lambda: Shop.method(Shop(), "x"), ("shop", "x")),
        (lambda: Shop.class_outside("x"), ("shop", "x")),
        (lambda: Shop().class_inside("x"), ("shop", "x")),
        (lambda: Shop.static_outside("x"), "x"),
        (lambda: Shop().static_inside("x"), "x"),
    ],
)
def test_methods_of_every_kind(call, expected):
    """Instance, class and static methods work on class and instance, and self is no argument of the event."""
    with capture_events() as events:
        assert call() == expected
    assert only(events)["$ai_input_state"] == {"item": "x"}
    assert only(events)["$ai_span_name"].startswith("Shop.")


def test_a_partial_a_callable_object_and_a_lambda():
    """Whatever can be called can be tracked."""

    class Adder:
        def __call__(self, a):
            return a + 1

    with capture_events() as events:
        assert track_llm(functools.partial(add, b=5))(1) == 6
        assert track_llm(Adder())(1) == 2
        assert track_llm(lambda a: a)(1) == 1
    assert len(events) == 4  # the partial runs `add`, which is tracked itself


def test_a_function_that_returns_a_coroutine_ends_with_it():
    """A plain function that hands out a coroutine is a step until the coroutine has run."""

    async def inner():
        with llm_span("inside"):
            await asyncio.sleep(0)
        return 7

    @track_llm
    def outer():
        return inner()

    with capture_events() as events:
        assert asyncio.run(outer()) == 7
    inside, whole = events
    assert inside.properties["$ai_parent_id"] == whole.properties["$ai_span_id"]
    assert whole.properties["$ai_output_state"] == 7


def test_the_decorated_function_looks_like_the_original():
    """Name, docstring, signature and every inspect predicate stay."""
    assert (add.__name__, add.__doc__, str(inspect.signature(add))) == ("add", "Add.", "(a, b=1)")
    assert inspect.isfunction(add)
    assert inspect.iscoroutinefunction(add_later)
    assert inspect.isgeneratorfunction(count)
    assert inspect.isasyncgenfunction(count_later)
    assert inspect.ismethod(Shop().method)
    assert "return a + b" in inspect.getsource(add)


def test_copies_and_pickles_as_before():
    """A decorated function pickles by its name; a bound method keeps its object."""
    assert pickle.loads(pickle.dumps(add)) is add
    assert copy.copy(add) is add
    assert copy.deepcopy(add) is add
    method = pickle.loads(pickle.dumps(Shop().method))
    assert method("x") == ("shop", "x")
    assert copy.deepcopy(Shop().method)("y") == ("shop", "y")
    assert copy.copy(Shop().method)("y") == ("shop", "y")


def test_arguments_and_results_can_be_left_out():
    """capture_input=False and capture_output=False keep both out of the event."""

    @track_llm(capture_input=False, capture_output=False)
    def secret(word):
        return word

    with capture_events() as events:
        assert secret("canary") == "canary"
    assert "canary" not in repr(events)


def test_a_misspelt_argument_fails_where_it_is_written():
    """An unknown argument of the decorator raises at decoration, not at the first call."""
    with pytest.raises(TypeError, match="userid"):
        track_llm(userid="u")


def test_a_call_with_wrong_arguments_fails_as_before():
    """The program's own TypeError is not replaced by one of llm_track."""
    with capture_events() as events, pytest.raises(TypeError, match=r"add\(\) takes from 1 to 2"):
        add(1, 2, 3, 4)
    assert only(events)["llm_outcome"] == "failed"


BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "small-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
CHUNKS = [
    {"model": "small-1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant"}}]},
    {"model": "small-1", "choices": [{"index": 0, "delta": {"content": "hel"}}]},
    {"model": "small-1", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
    {"model": "small-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]


def test_a_home_made_client_gives_a_true_generation():
    """A function that returns a provider's JSON, or yields its chunks, is read by the same format as an SDK's call."""

    @track_llm(kind="generation", provider="home", format=chat_completions)
    def ask(body):
        return BODY

    @track_llm(kind="generation", provider="home", format=chat_completions)
    def stream(body):
        yield from CHUNKS

    request = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}
    with capture_events() as events:
        ask(request)
        list(stream(request))
    for event in events:
        assert event.name == "$ai_generation"
        assert event.properties["$ai_input"] == request["messages"]
        assert event.properties["$ai_output_choices"] == [{"role": "assistant", "content": "hello"}]
        assert (event.properties["$ai_input_tokens"], event.properties["$ai_output_tokens"]) == (3, 2)
        assert (event.properties["$ai_provider"], event.properties["$ai_model"]) == ("home", "small-1")
    assert [event.properties["$ai_stream"] for event in events] == [False, True]


def test_a_home_made_client_without_a_format_says_what_it_knows():
    """Without a format the arguments are the input and the result is the output; no count is invented."""

    @track_llm(kind="generation", provider="home", model="small")
    def ask(question):
        return "because"

    with capture_events() as events:
        ask("why?")
    properties = only(events)
    assert properties["$ai_input"] == [{"role": "user", "content": "why?"}]
    assert properties["$ai_output_choices"] == [{"role": "assistant", "content": "because"}]
    assert properties["$ai_model"] == "small"
    assert not any(name.endswith("_tokens") for name in properties)


def local_kinds():
    @track_llm
    def local(a):
        return a + 1

    @track_llm(name="x", kind="tool")
    async def coroutine(a):
        return a + 2

    class Home:
        @track_llm
        def method(self, a):
            return a + 3

        @staticmethod
        @track_llm
        def static(a):
            return a + 4

        @track_llm
        @classmethod
        def of_class(cls, a):
            return a + 5

    return local, coroutine, Home


def test_dill_takes_tracked_functions_apart():
    """`dill` pickles local tracked functions, lambdas and classes as it does plain ones, and they are tracked again."""
    local, coroutine, home = dill.loads(dill.dumps(local_kinds()))
    twice = dill.loads(dill.dumps(track_llm(lambda a: a * 2)))
    with capture_events() as events:
        assert (local(1), asyncio.run(coroutine(1)), twice(4)) == (2, 3, 8)
        assert (home().method(1), home.static(1), home.of_class(1)) == (4, 5, 6)
    assert len(events) == 6


def test_dill_takes_a_function_of_the_main_program_to_another_process():
    """A tracked function of `__main__` that was pickled by `dill` runs in a process that has no such program."""
    program = "import dill, llm_track\n@llm_track.track_llm\ndef f(a): return a + 1\nprint(dill.dumps(f).hex())"
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    reader = f"import dill; print(dill.loads(bytes.fromhex({made.stdout.strip()!r}))(1))"
    read = subprocess.run([sys.executable, "-c", reader], capture_output=True, text=True, check=False)
    assert (read.stdout.strip(), read.returncode) == ("2", 0), read.stderr
