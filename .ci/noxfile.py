"""Environments of their own for what cannot stand beside the rest: `nox -f .ci/noxfile.py`.

LiteLLM's Proxy wants releases of its own of much that other tests use, and its Router changes from one minor release to
the next.  The tests run against the library itself and against a real Proxy process.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
ROOT = Path(__file__).parent.parent
SDK, PROXY = "tests/litellm_sdk", "tests/litellm_proxy"
PYTEST = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2")
COVERAGE = ("--cov=llm_track.formats", "--cov=llm_track.providers", "--cov-branch", "--cov-report=")
ENVIRONMENT = {"LLM_TRACK_TEST_LITELLM": "required", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
ALONE = (
    "fastapi",
    "orjson",
    "soundfile",
    "backoff",
    "cryptography",
    "pyjwt",
    "apscheduler",
    "python-multipart",
    "redis",
)
"""What LiteLLM imports for a cache although only its Proxy asks for it."""


def _test(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run tests, none of which may be left out."""
    session.chdir(ROOT)  # nox starts where its file is
    session.run(*PYTEST, *arguments, *session.posargs, env={**ENVIRONMENT, **environment})


@nox.session(name="litellm", python="3.13")
def with_litellm(session: nox.Session) -> None:
    """The newest LiteLLM whose Proxy can be installed, with the newest openai that it takes."""
    session.install("-e", f"{ROOT}[test-litellm,litellm]")
    _test(session, SDK, PROXY, *COVERAGE, COVERAGE_FILE=str(ROOT / ".coverage.litellm"))


@nox.session(name="litellm-oldest", python="3.10")
def with_oldest_litellm(session: nox.Session) -> None:
    """The oldest LiteLLM that is supported, with openai 2."""
    session.install("-e", f"{ROOT}[test-litellm,litellm]", "litellm[proxy]==1.106.0", "openai<3")
    _test(session, SDK, PROXY)


@nox.session(name="litellm-newest", python="3.12")
def with_newest_litellm(session: nox.Session) -> None:
    """The newest LiteLLM, whose Router is not Python any more; without its Proxy, which is a package of its own."""
    session.install("-e", f"{ROOT}[test-litellm]", "litellm>=1.110", *ALONE)
    _test(session, SDK)
