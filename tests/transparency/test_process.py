"""What only a whole interpreter shows: what is imported, what is printed on the way out, and broken installations."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from launching import python
from loopback import Loopback

OURS = Path(__file__).parents[2] / "llm_track"
HEAVY = ("openai", "anthropic", "posthog", "duckdb", "rich", "genai_prices", "pydantic")
CALLS = """
import os, sys
if sys.argv[1] == "first":
    import llm_track
    llm_track.autopatch()
import anthropic, openai
if sys.argv[1] == "after":
    import llm_track
    llm_track.autopatch()
base = os.environ["PROVIDER"]
said = [{"role": "user", "content": "hi"}]
client = openai.OpenAI(base_url=base + "/ok/v1", api_key="k")
print(client.chat.completions.create(model="m", messages=said).choices[0].message.content)
left_open = client.chat.completions.create(model="m", messages=said, stream=True)
print(next(left_open).choices[0].delta.content)
other = anthropic.Anthropic(base_url=base + "/ok", api_key="k")
print(other.messages.create(model="m", max_tokens=9, messages=said).content[0].text)
openai.OpenAI(base_url=base + "/e400/v1", api_key="k").chat.completions.create(model="m", messages=said)
"""
BROKEN = {
    "raises": "raise ImportError('broken on purpose')",
    "empty": "",
    "strange": "class OpenAI:\n    request = 3\n",
}


def run(code: str, *arguments: str, **environment: str) -> tuple[str, list[str], int]:
    """Run code in an interpreter of its own: its output, its lines on stderr and its exit status."""
    process = python("-c", code, *arguments, **environment)
    output, errors = process.communicate(timeout=60)
    return output, errors.splitlines(), process.returncode


def test_autopatch_imports_nothing_heavy() -> None:
    """Patching loads no SDK, no posthog and nothing else that takes time."""
    code = "import json, sys, llm_track; llm_track.autopatch(); print(json.dumps(list(sys.modules)))"
    output, errors, status = run(code)
    assert (errors, status) == ([], 0)
    assert not set(HEAVY) & set(json.loads(output))


def test_patching_alone_prints_nothing() -> None:
    """Without a call there is no word of a missing key, not even at exit."""
    assert run("import llm_track; llm_track.autopatch(); import openai") == ("", [], 0)


DIED = (1, -11) if sys.version_info[:2] == (3, 13) else (1,)
"""How a process ends by an exception; closing a stream while the interpreter ends can crash CPython 3.13 by itself."""


def test_one_line_on_stderr_is_the_only_difference(loopback: Loopback) -> None:
    """A program that dies of an exception with a stream open prints and returns the same, save for the missing key."""
    plain, *patched = (run(CALLS, variant, PROVIDER=loopback.url) for variant in ("plain", "first", "after"))
    for output, errors, status in patched:
        own = [line for line in errors if line.startswith("POSTHOG_API_KEY is not set")]
        frames = [line for line in errors if f'"{OURS}/' in line and line.lstrip().startswith("File")]
        assert len(own) == 1
        assert len(frames) <= 2
        assert (output, errors[-1]) == (plain[0], plain[1][-1])
        assert status in DIED
    assert plain[2] in DIED


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_installation_is_as_broken_as_before(kind: str, tmp_path: Path) -> None:
    """An SDK that cannot be imported, is empty or is another package of that name behaves as it did."""
    (tmp_path / "openai.py").write_text(BROKEN[kind])
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "if sys.argv[1] == 'first':\n    import llm_track; llm_track.autopatch()\n"
        "try:\n    import openai\n"
        "except ImportError as error:\n    print(type(error), error, 'openai' in sys.modules)\n"
        "else:\n    print(sorted(name for name in vars(openai) if name[0] != '_'), type(openai.__loader__).__name__)\n"
        "    print(getattr(getattr(openai, 'OpenAI', None), 'request', None))\n"
    )
    plain, patched = run(code, "plain"), run(code, "first")
    assert (patched[0], patched[2]) == (plain[0], plain[2])
    assert all("llm_track" in line for line in patched[1])
