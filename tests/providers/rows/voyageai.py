"""Voyage's own SDK: embeddings of three kinds, and an order of documents; it does not stream."""

from __future__ import annotations

from typing import Any

from conformance.modes import Mode

from providers.row import ASKED, KEY, WORDS, Row, sdk

WHOLE = "".join(WORDS)
VECTOR = {"object": "embedding", "embedding": [0.25], "index": 0}


def make(url: str, mode: Mode, **more: Any) -> Any:
    """Return a client; older ones are told of another address for all of them."""
    voyageai = sdk("voyageai")
    if hasattr(voyageai, "api_base"):
        voyageai.api_base = url
        return getattr(voyageai, f"{mode.prefix}Client")(api_key=KEY, **more)
    return getattr(voyageai, f"{mode.prefix}Client")(api_key=KEY, base_url=url, **more)


def _shown(answer: Any) -> Any:
    return type(answer), vars(answer)


def embedded(*vectors: Any, **used: int) -> dict[str, Any]:
    """Return the answer to a request for vectors."""
    usage = {"total_tokens": 11, **used}
    return {"json": {"object": "list", "data": list(vectors), "model": "snail-1-0926", "usage": usage}}


def _row(form: str, given: dict[str, Any], whole: Any, **more: Any) -> Row:
    def ask(mode: Mode, client: Any, streamed: bool) -> Any:
        return getattr(client, form)(model="snail-1", **given)

    return Row(
        provider="voyageai",
        form=form,
        billed="voyage",
        make=make,
        ask=ask,
        whole=whole,
        refused={"status": 429, "json": {"detail": f"too much for {KEY}"}},
        tokens={"$ai_output_tokens": None},
        stop=None,
        shown=_shown,
        **more,
    )


_VECTORS: dict[str, Any] = {"event": "$ai_embedding", "output": None}
_PIXELS = {"text_tokens": 11, "image_pixels": 0, "video_pixels": 0}
_ORDER = {"relevance_score": 0.75, "index": 0}
ROWS = [
    _row("embed", {"texts": [ASKED]}, embedded(VECTOR), input=[ASKED], **_VECTORS),
    _row("multimodal_embed", {"inputs": [[ASKED]]}, embedded(VECTOR, **_PIXELS), input=[ASKED], **_VECTORS),
    _row(
        "rerank",
        {"query": ASKED, "documents": [WHOLE]},
        embedded(_ORDER),
        input=[{"role": "user", "content": words} for words in (ASKED, WHOLE)],
        output=[{"role": "assistant", "content": '[{"index":0,"relevance_score":0.75}]'}],
    ),
]
