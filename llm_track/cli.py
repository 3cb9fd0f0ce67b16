"""The command line: `llm-track`, also `python -m llm_track`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

_INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` default to those of this process.

    Raises:
        SystemExit: for `--help`, `--version` and arguments that make no sense.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("llm-track: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llm-track", description="Tools around llm_track.")
    parser.add_argument("--version", action="version", version=f"llm-track {_version()}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_doctor(commands)
    _add_replay(commands)
    return parser


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="call a small local model and show the traces; needs no account and no key",
        description="Start a small real model on this machine, call it through the OpenAI and Anthropic SDKs, "
        "and show the traces that llm_track made of the calls. Nothing leaves this machine.",
    )
    demo.add_argument(
        "--db",
        type=Path,
        default=Path("llm-track-demo.duckdb"),
        metavar="PATH",
        help="DuckDB file that the events are added to (default: %(default)s)",
    )
    demo.add_argument(
        "--max-tokens",
        type=_positive,
        default=32,
        metavar="N",
        help="longest answer to ask the model for, in tokens (default: %(default)s)",
    )
    demo.set_defaults(run=_demo)


def _add_doctor(commands: Any) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="show which SDKs are installed here and whether their calls are tracked",
        description="Import every installed SDK that llm_track knows, in this environment, and show its version, what "
        "is hooked, what is wrong and what to do. Nothing is sent. The exit code is 1 if the calls of an installed SDK "
        "are not tracked.",
        epilog="example: llm-track doctor --json",
    )
    doctor.add_argument("--json", action="store_true", help="print a list of objects, for programs")
    doctor.set_defaults(run=_doctor)


def _add_replay(commands: Any) -> None:
    replay = commands.add_parser(
        "replay",
        help="send the events that ended processes left in a spool",
        description="Send what lies in a directory that llm_track.configure(spool=...) named, to the project of "
        "POSTHOG_API_KEY at POSTHOG_API_URL. Files of processes that run are left to them. PostHog drops what it has "
        "already. The exit code is 0 if nothing is left, 1 if something is.",
        epilog="example: llm-track replay /var/spool/llm_track --dry-run",
    )
    replay.add_argument("folder", type=Path, metavar="DIRECTORY", help="the spool")
    replay.add_argument("--dry-run", action="store_true", help="count what is there, and send nothing")
    replay.add_argument("--rate", type=_above_zero, metavar="N", help="send so many events a second at most")
    replay.add_argument("--all", action="store_true", help="send also what was meant for other keys and hosts")
    replay.set_defaults(run=_replay)


def _demo(options: argparse.Namespace) -> int:
    # Imported late: the command line answers at once, also where the demo's packages are not installed.
    from llm_track import demo

    _tolerate_any_text()
    return demo.run(options.db, options.max_tokens)


def _doctor(options: argparse.Namespace) -> int:
    from llm_track import doctor

    return doctor.run(as_json=options.json)


def _replay(options: argparse.Namespace) -> int:
    from llm_track import replaying

    return replaying.run(options.folder, dry_run=options.dry_run, rate=options.rate, takes_all=options.all)


def _above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _tolerate_any_text() -> None:
    """A model may answer with characters that this terminal cannot show; show a question mark instead of failing."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _version() -> str:
    try:
        return metadata.version("llm-track")
    except metadata.PackageNotFoundError:
        return "(not installed)"
