"""What an OpenTelemetry span says of a model call or a step: by its attributes, whoever's conventions they follow.

Read are the GenAI conventions of OpenTelemetry, older and newer, those of OpenLLMetry and those of OpenInference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_track.formats._json import amount, count, load, name, obj
from llm_track.integrations import _otel_messages as messages
from llm_track.integrations._otel_messages import Attributes
from llm_track.providers._hosts import by_host
from llm_track.records import Request, Response, Usage

CALLS = ("generation", "embedding")
_OPERATIONS = {
    "chat": "generation",
    "text_completion": "generation",
    "completion": "generation",
    "generate_content": "generation",
    "embeddings": "embedding",
    "embedding": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "chain",
    "retrieval": "retriever",
    "rerank": "reranker",
}
"""``gen_ai.operation.name`` and OpenLLMetry's ``llm.request.type``."""
_KINDS = {"llm": "generation", "unknown": "span", "task": "span", "workflow": "chain"}
"""What OpenInference and OpenLLMetry call kinds of spans, where we have another word."""
_PROVIDERS = {
    "aws": "amazon-bedrock", "aws.bedrock": "amazon-bedrock", "bedrock": "amazon-bedrock",
    "az.ai.inference": "azure", "az.ai.openai": "azure", "azure.ai.inference": "azure", "azure.ai.openai": "azure",
    "gcp.gemini": "gemini", "gcp.gen_ai": "gemini", "google": "gemini", "google_generativeai": "gemini",
    "gcp.vertex_ai": "google-vertex", "vertex_ai": "google-vertex", "vertexai": "google-vertex",
    "hugging_face": "huggingface", "ibm.watsonx.ai": "watsonx", "watsonx": "watsonx",
    "mistral_ai": "mistral", "mistralai": "mistral", "together_ai": "together", "x_ai": "xai",
}  # fmt: skip


def kind(attributes: Attributes) -> str | None:
    """Return what a span stands for: ``"generation"``, ``"embedding"``, the kind of a step, or ``None``: no GenAI."""
    given = attributes.get("openinference.span.kind") or attributes.get("traceloop.span.kind")
    if isinstance(given, str):
        return _KINDS.get(given.lower(), given.lower()) if given.isidentifier() else "span"
    operation = attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type")
    if isinstance(operation, str):
        return _OPERATIONS.get(operation, "span")
    if attributes.get("gen_ai.tool.name"):
        return "tool"
    is_call = attributes.get("gen_ai.request.model") and (attributes.keys() & _OF_CALLS)
    return "generation" if is_call else None


_OF_CALLS = frozenset(
    {
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.response.model",
    }
)


def _first(attributes: Attributes, *names: str) -> Any:
    return next((attributes[each] for each in names if attributes.get(each) not in (None, "")), None)


def provider(attributes: Attributes) -> str:
    """Return who bills, by PostHog's name for it."""
    given = _first(attributes, "gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system")
    said = given.lower() if isinstance(given, str) else "unknown"
    billing = by_host(base_url(attributes) or "") if said == "openai" else None
    return billing or _PROVIDERS.get(said, said)


def base_url(attributes: Attributes) -> str | None:
    """Return the address of the provider, as far as the span says it."""
    address = name(_first(attributes, "gen_ai.openai.api_base", "server.address"))
    if address is None or "://" in address:
        return address
    port = count(attributes.get("server.port"))
    return f"https://{address}" + (f":{port}" if port not in (None, 443) else "")


_PARAMETERS = (
    "choice.count", "encoding_formats", "frequency_penalty", "max_tokens", "max_completion_tokens", "n",
    "presence_penalty", "reasoning_effort", "seed", "stop_sequences", "temperature", "top_k", "top_p",
)  # fmt: skip


def request(attributes: Attributes, events: Iterable[Any], kind: str) -> Request:
    """Read what was asked."""
    parameters: dict[str, Any] = {}
    for each in _PARAMETERS:
        if (value := attributes.get(f"gen_ai.request.{each}")) is not None:
            parameters[each] = list(value) if isinstance(value, tuple) else value
    written = load(_first(attributes, "llm.invocation_parameters", "embedding.invocation_parameters"))
    invoked = dict(obj(written))
    asked = name(_first(attributes, "gen_ai.request.model", "llm.request.model_name"))
    streams = _first(attributes, "gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
    return Request(
        model=asked or name(invoked.pop("model", None)) or name(_model(attributes)),
        input=_embedded(attributes) if kind == "embedding" else _asked(attributes, events),
        parameters={**parameters, **invoked},
        tools=_tools(attributes) or None,
        stream=(streams if streams is not None else invoked.get("stream")) is True,
    )


def _model(attributes: Attributes) -> Any:
    return _first(
        attributes, "gen_ai.response.model", "llm.response.model_name", "llm.model_name", "embedding.model_name"
    )


def _asked(attributes: Attributes, events: Iterable[Any]) -> list[Any]:
    drawn = messages.instructions(attributes.get("gen_ai.system_instructions"))
    drawn += messages.of_conventions(attributes.get("gen_ai.input.messages"))
    drawn += [each for one in messages.numbered(attributes, "gen_ai.prompt") for each in messages.of_message(one)]
    drawn += messages.of_openinference(messages.numbered(attributes, "llm.input_messages"))
    return drawn or messages.of_events(events)[0] or _said(attributes, "input.value", "user")


def _answered(attributes: Attributes, events: Iterable[Any]) -> list[Any]:
    drawn = messages.of_conventions(attributes.get("gen_ai.output.messages"))
    for one in messages.numbered(attributes, "gen_ai.completion"):
        drawn += messages.of_message({"role": "assistant", **one})
    drawn += messages.of_openinference(messages.numbered(attributes, "llm.output_messages"))
    return drawn or messages.of_events(events)[1] or _said(attributes, "output.value", "assistant")


def _said(attributes: Attributes, key: str, role: str) -> list[Any]:
    """OpenInference's other way, for prompts that are no messages."""
    value = attributes.get(key)
    is_text = isinstance(value, str) and attributes.get(key.replace("value", "mime_type")) != "application/json"
    return [{"role": role, "content": value}] if is_text else []


def _embedded(attributes: Attributes) -> Any:
    """What vectors were asked of: one text or several."""
    texts = [
        obj(each.get("embedding")).get("text") for each in messages.numbered(attributes, "embedding.embeddings")
    ] or [each.get("content") for each in _asked_texts(attributes)]
    found = [each for each in texts if isinstance(each, str)]
    return found[0] if len(found) == 1 else found or None


def _asked_texts(attributes: Attributes) -> list[Any]:
    return messages.of_conventions(attributes.get("gen_ai.input.messages")) or messages.numbered(
        attributes, "gen_ai.prompt"
    )


def _tools(attributes: Attributes) -> list[Any]:
    given = load(attributes.get("gen_ai.tool.definitions"))
    if isinstance(given, list):
        return given
    schemas = [obj(each.get("tool")).get("json_schema") for each in messages.numbered(attributes, "llm.tools")]
    return [load(each) for each in schemas if each is not None] or list(
        messages.numbered(attributes, "llm.request.functions")
    )


def response(attributes: Attributes, events: Iterable[Any]) -> Response | None:
    """Read what was answered; ``None`` where the span says nothing of an answer."""
    reasons = attributes.get("gen_ai.response.finish_reasons")
    reason = reasons[0] if isinstance(reasons, (list, tuple)) and reasons else reasons
    said = Response(
        output=_answered(attributes, events) or None,
        usage=usage(attributes),
        model=name(_model(attributes)),
        id=name(attributes.get("gen_ai.response.id")),
        stop_reason=name(reason or _first(attributes, "gen_ai.response.finish_reason", "llm.finish_reason")),
        service_tier=name(_first(attributes, "gen_ai.openai.response.service_tier", "openai.response.service_tier")),
    )
    return None if said == Response(model=said.model) and said.output is None else said


def usage(attributes: Attributes) -> Usage:
    """Read the counts.  Both conventions have what a cache read or wrote among the tokens of the input."""

    def of(*names: str) -> int | None:
        return count(_first(attributes, *names))

    read = of(
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    )
    wrote = of(
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    )
    return Usage(
        input_tokens=of("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        output_tokens=of("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
        total_tokens=of("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total"),
        cache_read_tokens=read,
        cache_write_tokens=wrote,
        cache_included_in_input=None if read is None and wrote is None else True,
        reasoning_tokens=of(
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "llm.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
        ),
        audio_input_tokens=of("llm.token_count.prompt_details.audio"),
        audio_output_tokens=of("llm.token_count.completion_details.audio"),
        cost=amount(attributes.get("llm.cost.total")),
    )


def step(attributes: Attributes) -> tuple[str | None, Any, Any]:
    """Return the name of a step, what it was given and what it gave."""
    named = name(_first(attributes, "gen_ai.tool.name", "gen_ai.agent.name", "traceloop.entity.name", "tool.name"))
    given = _first(
        attributes, "input.value", "gen_ai.tool.call.arguments", "traceloop.entity.input", "gen_ai.retrieval.query.text"
    )
    gave = _first(attributes, "output.value", "gen_ai.tool.call.result", "traceloop.entity.output")
    if gave is None:
        gave = messages.numbered(attributes, "retrieval.documents") or None
    asked = given if given is not None else messages.of_conventions(attributes.get("gen_ai.input.messages")) or None
    told = gave if gave is not None else messages.of_conventions(attributes.get("gen_ai.output.messages")) or None
    return named, load(asked), load(told)


def belongs(attributes: Attributes) -> dict[str, Any]:
    """Return who and what a span says it belongs to, as arguments of `llm_track.llm_span`."""
    own = "traceloop.association.properties."
    user = _first(attributes, "posthog.distinct_id", "user.id", "enduser.id", f"{own}user_id")
    session = _first(attributes, "session.id", "gen_ai.conversation.id", f"{own}session_id", f"{own}chat_id")
    metadata = dict(obj(load(attributes.get("metadata"))))
    metadata |= {key.removeprefix(own): value for key, value in attributes.items() if key.startswith(own)}
    if tags := attributes.get("tag.tags"):
        metadata["tags"] = list(tags) if isinstance(tags, tuple) else tags
    return {"user_id": user, "session_id": session, "metadata": metadata or None}
