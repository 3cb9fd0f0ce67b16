"""One small application for each of three frameworks: each asks a model what it was asked, plain and streamed.

Every address takes ``?q=``; ``/named`` says by a span who asks, whoever posthog's middleware found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from openai import AsyncOpenAI, OpenAI

from llm_track import llm_span

PATHS = {
    "fastapi": ("/sync", "/async", "/stream", "/background", "/named"),
    "flask": ("/sync", "/stream", "/named"),
    "django": ("/sync", "/stream", "/named"),
    "django-async": ("/sync", "/async", "/stream", "/named"),
}


def messages(words: str) -> list[Any]:
    return [{"role": "user", "content": words}]


class Asking:
    """The clients of a model, and what the views do with them."""

    def __init__(self, base_url: str) -> None:
        self.plain = OpenAI(api_key="k", base_url=base_url)
        self.concurrent = AsyncOpenAI(api_key="k", base_url=base_url)

    def ask(self, words: str) -> str:
        answer = self.plain.chat.completions.create(model="echo", messages=messages(words))
        return str(answer.choices[0].message.content)

    async def aask(self, words: str) -> str:
        answer = await self.concurrent.chat.completions.create(model="echo", messages=messages(words))
        return str(answer.choices[0].message.content)

    def stream(self, words: str) -> Iterator[str]:
        """The call is made at once; the server reads the answer when the view has returned."""
        chunks = self.plain.chat.completions.create(model="echo", messages=messages(words), stream=True)
        return (chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    async def astream(self, words: str) -> AsyncIterator[str]:
        chunks = await self.concurrent.chat.completions.create(model="echo", messages=messages(words), stream=True)
        return (chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices)

    def named(self, words: str) -> str:
        with llm_span("named", user_id=f"named by {words}", session_id="of the span"):
            return self.ask(words)


def fastapi_app(asking: Asking) -> Any:
    from fastapi import BackgroundTasks, FastAPI
    from fastapi.responses import StreamingResponse
    from posthog.integrations.asgi import PosthogASGIMiddleware

    app: Any = FastAPI()
    app.add_middleware(PosthogASGIMiddleware)
    app.get("/sync")(lambda q: asking.ask(q))
    app.get("/named")(lambda q: asking.named(q))

    @app.get("/async")  # type: ignore[untyped-decorator]  # frameworks are not installed where types are checked
    async def answer(q: str) -> str:
        return await asking.aask(q)

    async def stream(q: str) -> Any:
        return StreamingResponse(await asking.astream(q), media_type="text/plain")

    def background(q: str, later: BackgroundTasks) -> str:
        later.add_task(asking.ask, q)
        return q

    # the annotations are texts here, and their names are known in this function only
    background.__annotations__ = {"q": str, "later": BackgroundTasks}
    stream.__annotations__ = {"q": str}
    app.get("/stream")(stream)
    app.get("/background")(background)
    return app


def flask_app(asking: Asking) -> Any:
    from flask import Flask, Response, request
    from posthog.integrations.flask import PosthogFlaskIntegration

    app: Any = Flask(__name__)
    PosthogFlaskIntegration(app)
    app.add_url_rule("/sync", "sync", lambda: asking.ask(request.args["q"]))
    app.add_url_rule("/stream", "stream", lambda: Response(asking.stream(request.args["q"])))
    app.add_url_rule("/named", "named", lambda: asking.named(request.args["q"]))
    return app


def django_urls(asking: Asking) -> list[Any]:
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    async def answer(request: Any) -> Any:
        return HttpResponse(await asking.aask(request.GET["q"]))

    return [
        path("sync", lambda request: HttpResponse(asking.ask(request.GET["q"]))),
        path("async", answer),
        path("stream", lambda request: StreamingHttpResponse(asking.stream(request.GET["q"]))),
        path("named", lambda request: HttpResponse(asking.named(request.GET["q"]))),
    ]
