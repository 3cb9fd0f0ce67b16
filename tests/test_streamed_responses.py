"""A web service that streams an answer out of a generator: a real Starlette application, real SDK clients."""

from __future__ import annotations

import asyncio

import openai
import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

import llm_track
from llm_track import llm_span
from llm_track.testing import capture_events
from tests.providers.offline import client, http_of

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def ask(model):
    return model.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi?"}])


def threaded(request):
    """Sync: Starlette takes every step in a thread of its pool, with a fresh copy of the request's context."""

    def steps():
        model = client(openai, "OpenAI", lambda _: http_of(openai).Response(200, json=ANSWER))
        with llm_span("answer", user_id=request.path_params["user"]):
            for _ in range(3):
                yield ask(model).choices[0].message.content

    return StreamingResponse(steps())


def looped(request):
    """Async: every step in the request's own task."""

    async def steps():
        model = client(openai, "AsyncOpenAI", lambda _: http_of(openai).Response(200, json=ANSWER))
        async with llm_span("answer", user_id=request.path_params["user"]):
            for _ in range(3):
                yield (await ask(model)).choices[0].message.content

    return StreamingResponse(steps())


async def get(app, path):
    """Send one request through the application; return the body."""
    body = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        body.append(message.get("body", b""))
        await asyncio.sleep(0)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await app(scope, receive, send)
    return b"".join(body)


@pytest.mark.parametrize("kind", ["threaded", "looped"])
def test_every_call_of_a_streamed_response_belongs_to_its_user(kind):
    """Twenty streamed responses at once: each call is inside the span of its own generator, with its own user."""
    routes = [Route("/threaded/{user}", threaded), Route("/looped/{user}", looped)]
    app = Starlette(routes=routes)

    async def main():
        return await asyncio.gather(*(get(app, f"/{kind}/u{number}") for number in range(20)))

    llm_track.autopatch("openai")
    with capture_events() as events:
        assert asyncio.run(main()) == [b"Hi.Hi.Hi."] * 20
    spans = {event.uuid: event.distinct_id for event in events if event.name == "$ai_trace"}
    calls = [event for event in events if event.name == "$ai_generation"]
    assert sorted(spans.values()) == sorted(f"u{number}" for number in range(20))
    assert len(calls) == 60
    assert [spans[call.properties["$ai_parent_id"]] for call in calls] == [call.distinct_id for call in calls]
    assert [call.properties["$ai_input_tokens"] for call in calls] == [3] * 60
