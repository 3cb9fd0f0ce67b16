"""Runs one of the applications as a program of its own: ``python -m tests.apps.serve FRAMEWORK BASE_URL``.

Prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import socket
import sys
import threading
from types import ModuleType
from typing import Any

import llm_track
from tests.apps import web


def django_app(asking: web.Asking, *, concurrent: bool) -> Any:
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    urls: Any = ModuleType("urls_of_the_test")
    sys.modules[urls.__name__] = urls
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=urls.__name__,
        MIDDLEWARE=["posthog.integrations.django.PosthogContextMiddleware"],
        SECRET_KEY="of the test",
    )
    django.setup()
    urls.urlpatterns = web.django_urls(asking)
    return get_asgi_application() if concurrent else get_wsgi_application()


def run_asgi(app: Any, listening: socket.socket) -> None:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()


def run_wsgi(app: Any, listening: socket.socket) -> None:
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True, fd=listening.fileno())
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main(framework: str, base_url: str) -> None:
    llm_track.autopatch()
    asking = web.Asking(base_url)
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    if framework == "fastapi":
        run_asgi(web.fastapi_app(asking), listening)
    elif framework == "flask":
        run_wsgi(web.flask_app(asking), listening)
    elif framework == "django":
        run_wsgi(django_app(asking, concurrent=False), listening)
    else:
        run_asgi(django_app(asking, concurrent=True), listening)
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
