"""The command line: `llm-track`, also `python -m llm_track`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

_INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` default to those of this process.

    Raises:
        SystemExit: for `--help`, `--version` and arguments that make no sense.
    """
    options = _parser().parse_args(arguments)
    try:
        return _demo(options)
    except KeyboardInterrupt:
        print("llm-track: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="llm-track", description="Tools around llm_track.")
    parser.add_argument("--version", action="version", version=f"llm-track {_version()}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
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
    return parser


def _demo(options: argparse.Namespace) -> int:
    # Imported late: the command line answers at once, also where the demo's packages are not installed.
    from llm_track import demo

    _tolerate_any_text()
    return demo.run(options.db, options.max_tokens)


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
