"""Requests that cost money although they are no generation and no embedding: pictures, sound, films, batches, agents.

They are known by the name of their endpoint.  What pictures and sound cost can be told where the answer counts tokens;
of all others nobody knows it when they are answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

from llm_track.records import ModelCall, Response


def is_paid(name: str) -> bool:
    """Tell whether a request to an endpoint that is no model call costs money.

    >>> is_paid("images.generate"), is_paid("messages.batches.create"), is_paid("batches.retrieve")
    (True, True, False)
    """
    return _PAID.fullmatch(name) is not None


_PAID = re.compile(
    r"""
    images\.(?:generate|edit|create_variation|(?:\w+\.)?create)   # OpenAI, and who speaks its language
    | (?:\w+\.)*(?:audio|videos?|ocr|fine_tuning|runs|embed_jobs|batches|batch)(?:\.\w+)?\.create
    | threads\.runs\.submit_tool_outputs | responses\.compact
    | models\.(?:predictLongRunning|batchGenerateContent|asyncBatchEmbedContent)   # Google
    | bedrock-runtime\.StartAsyncInvoke | bedrock-agent-runtime\.(?:Invoke|RetrieveAndGenerate|Rerank)\w*
    | (?:text|image|audio|video)_to_\w+ | automatic_speech_recognition   # tasks of Hugging Face
    | a?(?:create_batch|create_fine_tuning_job|create_video|video_\w+|ocr|run_thread\w*)   # functions of LiteLLM
    """,
    re.VERBOSE,
)


def as_model_call(record: ModelCall) -> ModelCall:
    """Return a request to an endpoint as a call of a model, with the counts that its answer has."""
    body, kind = record.output_state, record.name.partition(".")[0]
    if record.kind != "endpoint" or kind not in _COUNTED or not isinstance(body, Mapping):
        return record
    response: Response = import_module(_COUNTED[kind]).response(body)  # only who needs it pays for loading it
    if "svg_usage" in body:  # a second model, which bills apart
        response = Response()
    usage = response.usage
    if kind == "images" and usage.image_output_tokens is None:
        response = replace(response, usage=replace(usage, image_output_tokens=usage.output_tokens))
    return replace(record, response=response)


_COUNTED = {kind: f"llm_track.formats.{kind}" for kind in ("audio", "images", "responses")}
"""How the names of endpoints begin whose answers count tokens -> the format of these."""
