"""Environments of their own for what cannot stand beside the rest: `nox -f .ci/noxfile.py`.

LiteLLM's Proxy wants releases of its own of much that other tests use, and its Router changes from one minor release to
the next.  The tests run against the library itself and against a real Proxy process.  The oldest SDKs of other
providers are an environment, too.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
ROOT = Path(__file__).parent.parent
SDK, PROXY = "tests/litellm_sdk", "tests/litellm_proxy"
ROW = ("tests/providers/test_rows.py", "-k", "litellm")
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

OLDEST = (
    "google-genai==1.40.0",
    "groq==0.13.0",
    "together==2.0.0",
    "cerebras-cloud-sdk==1.50.0",
    "writer-sdk==2.0.0",
    "ollama==0.5.1",
    "mistralai==1.5.0",
    "aiobotocore==3.0.0",
    "cohere==5.16.0",
    "voyageai==0.3.2",
    "ai21==3.1.0",
    "azure-ai-inference==1.0.0b6",
    "xai-sdk==1.4.0",
    "huggingface_hub==0.28.1",
    "ibm-watsonx-ai==1.3.42",
    "replicate==0.25.2",
)
"""The oldest supported SDKs of providers that nothing else pins."""


CLIENT = ("tests/sinks", "tests/test_worker.py", "tests/test_processes.py")
ESSENTIAL = "orderly or flush or kill or fork or threads or hangs or slow or 503 or 413 or 400 or TLS or gevent"
"""Scenarios in which a client does what clients of other releases may do otherwise."""


def _test(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run tests, none of which may be left out."""
    session.chdir(ROOT)  # nox starts where its file is
    session.run(*PYTEST, *arguments, *session.posargs, env={**ENVIRONMENT, **environment})


@nox.session(name="litellm", python="3.13")
def with_litellm(session: nox.Session) -> None:
    """The newest LiteLLM whose Proxy can be installed, with the newest openai that it takes."""
    session.install("-e", f"{ROOT}[test-litellm,litellm]")
    _test(session, SDK, PROXY, *COVERAGE, COVERAGE_FILE=str(ROOT / ".coverage.litellm"))
    _test(session, *ROW)


@nox.session(name="litellm-oldest", python="3.10")
def with_oldest_litellm(session: nox.Session) -> None:
    """The oldest LiteLLM that is supported, with openai 2."""
    session.install("-e", f"{ROOT}[test-litellm,litellm]", "litellm[proxy]==1.106.0", "openai<3")
    _test(session, SDK, PROXY)
    _test(session, *ROW)


@nox.session(name="providers-oldest", python="3.10")
def with_oldest_providers(session: nox.Session) -> None:
    """All of `OLDEST`."""
    session.install("-e", f"{ROOT}[test,test-providers]", "pytest-xdist", *OLDEST)
    _test(session, "tests/providers")


@nox.session(name="posthog-oldest", python="3.10")
def with_oldest_posthog(session: nox.Session) -> None:
    """The oldest posthog client that is supported: all that knows the client, and what becomes of events."""
    session.install("-e", f"{ROOT}[test]", "pytest-xdist", "posthog==7.39.0")
    _test(session, *CLIENT, "--dist", "loadfile")
    session.run(*PYTEST[:-2], "tests/delivery/test_matrix.py", "-k", ESSENTIAL)  # it has processes of its own


@nox.session(name="vertexai", python="3.13")
def with_vertexai(session: nox.Session) -> None:
    """Google's older SDK, which wants an older google-genai than the newest beside it."""
    session.install("-e", f"{ROOT}[test,test-vertexai]", "pytest-xdist")
    coverage = str(ROOT / ".coverage.vertexai")
    _test(session, "tests/providers", "-k", "vertexai", *COVERAGE, COVERAGE_FILE=coverage)


@nox.session(name="vertexai-oldest", python="3.10")
def with_oldest_vertexai(session: nox.Session) -> None:
    """The oldest of it that is supported."""
    session.install("-e", f"{ROOT}[test]", "pytest-xdist", "google-cloud-aiplatform==1.95.1")
    _test(session, "tests/providers", "-k", "vertexai")


@nox.session(name="boto3-alone", python="3.10")
def with_boto3_alone(session: nox.Session) -> None:
    """The oldest boto3 that is supported, which is older than any aiobotocore takes, and then the newest."""
    session.install("-e", f"{ROOT}[test]", "pytest-xdist")
    for boto3 in ("boto3==1.38.0", "boto3"):
        session.install("--upgrade", boto3)
        session.run("python", "-c", "import boto3; print('boto3', boto3.__version__)")
        _test(session, "tests/providers", "-k", "botocore or aws")


@nox.session(name="google-genai-second", python="3.12")
def with_second_google_genai(session: nox.Session) -> None:
    """Version 2 of google-genai, whose Interactions are a client of Stainless, as in no older and no newer one."""
    session.install("-e", f"{ROOT}[test]", "pytest-xdist", "google-genai==2.5.0")
    session.run("python", "-c", "import google.genai._interactions")
    _test(session, "tests/providers", "-k", "google")


@nox.session(name="apps", python="3.12")
def with_web_frameworks(session: nox.Session) -> None:
    """Applications of the web frameworks that posthog has a middleware for."""
    session.install("-e", f"{ROOT}[test,test-apps]", "pytest-xdist")
    _test(session, "tests/apps", LLM_TRACK_TEST_APPS="required")


@nox.session(name="litellm-newest", python="3.12")
def with_newest_litellm(session: nox.Session) -> None:
    """The newest LiteLLM, whose Router is not Python any more; without its Proxy, which is a package of its own."""
    session.install("-e", f"{ROOT}[test-litellm]", "litellm>=1.110", *ALONE)
    _test(session, SDK)
    _test(session, *ROW)


@nox.session(name="integrations", python="3.12")
def with_integrations(session: nox.Session) -> None:
    """Queues of tasks and other tracers, as new as they are."""
    session.install("-e", f"{ROOT}[test,test-integrations]", "pytest-xdist")
    _test(session, "tests/integrations", "tests/test_telemetry.py", LLM_TRACK_TEST_INTEGRATIONS="required")


@nox.session(name="integrations-oldest", python="3.10")
def with_oldest_integrations(session: nox.Session) -> None:
    """The oldest queues of tasks that are supported."""
    session.install("-e", f"{ROOT}[test]", "pytest-xdist", "celery==5.3.0", "rq==1.16.0", "fakeredis>=2.26")
    _test(session, "tests/integrations", "-k", "celery or rq")
