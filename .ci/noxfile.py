"""Environments of their own for what cannot stand beside the rest: `nox -f .ci/noxfile.py`.

LiteLLM wants openai below 3.  Its tests run against the library itself and against a real Proxy process.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
HERE = Path(__file__).parent
SDK, PROXY = "tests/litellm_sdk", "tests/litellm_proxy"
ENVIRONMENT = {"LLM_TRACK_TEST_LITELLM": "required", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@nox.session(name="litellm")
def with_litellm(session: nox.Session) -> None:
    """Run the tests of LiteLLM and of its Proxy; none may be left out."""
    session.chdir(HERE.parent)  # nox starts where its file is
    session.install("-e", ".[test-litellm]")
    session.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", SDK, PROXY, *session.posargs, env=ENVIRONMENT)
