"""What the house that runs the proxy adds to it: who has which key, and what may not be asked.

The proxy finds this file beside its configuration.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import Any

from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.proxy._types import UserAPIKeyAuth

KEYS: dict[str, dict[str, str]] = {
    "sk-lone-5f0c1b7e92d84a36": {},
    "sk-user-8d41c6a3f07b29e5": {"user_id": "key-user", "team_id": "key-team", "org_id": "key-org"},
    "sk-ends-2b96e0f4d718c35a": {"user_id": "key-user", "end_user_id": "key-end-user"},
}
FORBIDDEN = "the forbidden word"
MEANWHILE, AFTERWARDS, WITHIN = "forbidden meanwhile", "forbidden afterwards", "forbidden within"
"""What the guardrail finds out while the model is asked, in what it answered, and inside the call that is to ask it."""
FLUSH_SECONDS = 0.2


def flush_forever() -> None:
    """Deliver events at once: most tests ask what is sent, not when, and PostHog's client takes seconds."""
    import llm_track

    while True:
        time.sleep(FLUSH_SECONDS)
        gc.collect()  # what the proxy drops, it drops in cycles
        llm_track.flush(5)


if os.environ.pop("HOUSE_FLUSHES", None):
    threading.Thread(target=flush_forever, daemon=True).start()


async def check(request: Any, api_key: str) -> UserAPIKeyAuth:
    """Return who has a key."""
    if api_key not in KEYS:
        raise PermissionError("nobody has this key")
    noted = {"plan": "plan of the key"}
    return UserAPIKeyAuth(
        api_key=api_key, key_alias="alias of the key", user_email="owner@example.org", metadata=noted, **KEYS[api_key]
    )


class Guardrail(CustomGuardrail):
    """Lets nobody ask about what is forbidden."""

    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> Any:
        """Raise for a request with the word in it."""
        if FORBIDDEN in str(data.get("messages")):
            raise ValueError("the guardrail says no")
        return data

    async def async_pre_call_deployment_hook(self, kwargs: Any, call_type: Any) -> Any:
        """Raise inside the call, before a model is asked."""
        if WITHIN in str(kwargs.get("messages")):
            raise ValueError("the guardrail says no within")
        return kwargs

    async def async_moderation_hook(self, data: Any, user_api_key_dict: Any, call_type: Any) -> None:
        """Raise while the model is asked."""
        if MEANWHILE in str(data.get("messages")):
            raise ValueError("the guardrail says no meanwhile")

    async def async_post_call_success_hook(self, data: Any, user_api_key_dict: Any, response: Any) -> None:
        """Raise when the model has answered."""
        if AFTERWARDS in str(data.get("messages")):
            raise ValueError("the guardrail says no afterwards")
