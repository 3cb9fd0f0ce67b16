"""Replicate's own SDK.  A stream is of a prediction that is created first; only predictions that are whole count."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode
from conformance.server import CaseServer, Run

from providers.row import ASKED, KEY, WORDS, Row, sdk

MODEL = "acme/gastropod-1"


class Predictions(CaseServer):
    """Gives each prediction an id of its own, and creates the predictions whose streams it has."""

    def play(self, answers: list[dict[str, Any]]) -> Run:
        """Begin a test."""
        run = super().play([])
        unique = f"p-{self.server_address[1]}-{run.number}"
        for answer in answers:
            if "written" in answer:
                run.answers.append({"json": prediction(unique, "starting", urls={"stream": f"{run.url}/stream"})})
            told = answer.get("json", {})
            run.answers.append({**answer, "json": {**told, "id": unique}} if "id" in told else answer)
        return run


def prediction(key: str, status: str, **more: Any) -> dict[str, Any]:
    """Return a prediction."""
    asked = {"model": MODEL, "version": "v-1", "input": {"prompt": ASKED}}
    return {"id": key, **asked, "status": status, "error": None, "logs": "", "created_at": "2026-01-01", **more}


def written(*events: tuple[str, str]) -> dict[str, Any]:
    """Return a stream of events."""
    lines = [f"event: {event}\nid: {number}\ndata: {data}\n\n" for number, (event, data) in enumerate(events)]
    return {"written": lines}


def _make(url: str, mode: Mode) -> Any:
    return sdk("replicate").Client(api_token=KEY, base_url=url)


def _ask(mode: Mode, client: Any, streamed: bool) -> Any:
    name = ("async_" if mode.prefix else "") + ("stream" if streamed else "run")
    return getattr(client, name)(MODEL, input={"prompt": ASKED})


async def _end(mode: Mode, client: Any) -> None:
    """The client closes its connections by itself when it goes."""


SHARED: dict[str, Any] = {
    "provider": "replicate",
    "billed": "replicate",
    "make": _make,
    "ask": _ask,
    "end": _end,
    "serve": Predictions,
    "model": MODEL,
    "stop": "succeeded",
    "refused": {"status": 429, "json": {"title": "slow down", "detail": f"too much for {KEY}", "status": 429}},
}
COUNTED = {"input_token_count": 11, "output_token_count": 7, "predict_time": 0.5}
ROWS = [
    Row(
        whole={"json": prediction("", "succeeded", output=list(WORDS))},
        chunks=written(("output", WORDS[0]), ("output", WORDS[1]), ("done", "{}")),
        broken=written(("output", WORDS[0]), ("error", "overloaded")),
        tokens={"$ai_input_tokens": None, "$ai_output_tokens": None},
        **SHARED,
    ),
    Row(form="counted", whole={"json": prediction("", "succeeded", output=list(WORDS), metrics=COUNTED)}, **SHARED),
]
