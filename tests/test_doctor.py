"""`llm-track doctor`, on SDKs that are made up and on those that are installed here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llm_track
from llm_track import lacking, patching, providers
from llm_track.cli import main
from llm_track.providers import Provider, Target

OLD = 'class Client:\n    def ask(self):\n        return 1\n    built = ask\n\nprint("loud")\n'
AGAIN = "Client.ask_again = Client.ask\n"
WRONG = 'raise RuntimeError("wrong processor")\n'


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install an SDK of some text, version 0.1, as the only one that llm_track knows."""

    def install(text: str | None) -> None:
        if text is not None:
            (tmp_path / "odd_sdk.py").write_text(text)
            told = tmp_path / "odd_sdk-0.1.dist-info"
            told.mkdir()
            (told / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-sdk\nVersion: 0.1\n")
        targets = tuple(Target("odd_sdk", f"Client.{name}") for name in ("ask", "ask_again"))
        notes = Target("odd_sdk", "Client.built", notes=lambda call, invocation: None, optional=True)
        elsewhere = Target("odd_sdk_more", "Client.ask", optional=True)
        provider = Provider(
            name="odd_sdk",
            distribution="odd-sdk",
            targets=(*targets, notes, elsewhere),
            to_json=lambda result: None,
            failure=lambda error: {},
        )
        monkeypatch.setattr(providers, "KNOWN", {"odd_sdk": ""})
        monkeypatch.setattr(providers, "load", lambda name: provider)
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    llm_track.unpatch("odd_sdk")
    sys.modules.pop("odd_sdk", None)
    lacking.noted.pop("odd_sdk", None)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 0, "-       odd-sdk                 not installed"),
        (OLD + AGAIN, 0, "ok      odd-sdk                 0.1           Client.ask, Client.ask_again"),
        (OLD, 1, "LACKING odd-sdk                 0.1           odd-sdk 0.1 has no Client.ask_again"),
        (WRONG, 1, "BROKEN  odd-sdk                 0.1           RuntimeError: wrong processor"),
    ],
    ids=["absent", "whole", "old", "broken"],
)
def test_a_line_for_each_sdk(text: str | None, code: int, said: str, sdk: Any, capsys: Any) -> None:
    """Each SDK has a line with its version and state, advice where there is trouble, and the exit code tells of it."""
    sdk(text)
    assert main(["doctor"]) == code
    line, *advice, _, summary = capsys.readouterr().out.splitlines()
    assert line == said
    assert len(advice) == code
    tracked, installed = int(text == OLD + AGAIN), int(text is not None)
    assert summary == f"{tracked} of {installed} installed SDKs are tracked; llm_track knows 1."


def test_findings_for_programs(sdk: Any, capsys: Any) -> None:
    """``--json`` prints the same findings as one list of objects."""
    sdk(OLD)
    assert main(["doctor", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found.pop("advice").startswith("Calls work as ever")
    assert found == {
        "package": "odd-sdk",
        "module": "odd_sdk",
        "version": "0.1",
        "state": "lacking",
        "methods": ["Client.ask"],
        "trouble": "odd-sdk 0.1 has no Client.ask_again",
    }


def test_a_hook_that_failed(sdk: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """An SDK of which nothing could be hooked is not called tracked."""
    sdk(OLD + AGAIN)
    monkeypatch.setattr(patching, "autopatch", lambda name: {name: "hooked when imported"})
    assert main(["doctor"]) == 1
    assert "nothing of it could be hooked" in capsys.readouterr().out


def test_the_sdks_of_this_environment() -> None:
    """In a process of its own, every SDK that is installed here is found and tracked."""
    command = [sys.executable, "-m", "llm_track", "doctor", "--json"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    found = {each["module"]: each for each in json.loads(asked.stdout)}
    assert set(found) == set(providers.KNOWN)
    for each in found.values():
        assert each["state"] in ("hooked", "absent"), each
        assert (each["version"] is None) == (each["state"] == "absent")
        assert bool(each["methods"]) == (each["state"] == "hooked")
    assert (asked.returncode, asked.stderr) == (0, "")
