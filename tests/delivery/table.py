"""Prints the outcome of every scenario: `python -m tests.delivery.table [--outage SECONDS] [--only WORDS]`."""

from __future__ import annotations

import argparse
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path

from tests.delivery.outages import long_outage
from tests.delivery.running import play
from tests.delivery.scenarios import SCENARIOS
from tests.delivery.verdicts import Outcome, Scenario, wrong

AT_ONCE = 6
HEAD = "| scenario | with a spool: sent / lost / double | without: sent / lost (counted) / double |\n|---|---|---|"
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- what tests.delivery.table --write has measured -->\n", "\n<!-- until here -->"


def chosen(outage: int, only: str) -> list[Scenario]:
    """Return the scenarios whose names hold some words, with a long outage of so many seconds."""
    listed = [long_outage(outage) if scenario.program == "steady" else scenario for scenario in SCENARIOS]
    return [scenario for scenario in listed if only in scenario.name and scenario.can_be_played]


def row(scenario: Scenario, spooled: Outcome | None, plain: Outcome | None) -> str:
    """Return one line of the table; what is promised and was not kept is marked."""
    with_spool = without = "-"
    if spooled is not None:
        aside = spooled.count("quarantined")
        sent = _sent(scenario, spooled) + (f", {aside} aside" if aside else "")
        with_spool = f"{sent} / {spooled.lost - aside} / {spooled.double}{_mark(scenario, spooled)}"
    if plain is not None:
        lost = f"{plain.lost} ({plain.counted})"
        without = f"{_sent(scenario, plain)} / {lost} / {plain.double}{_mark(scenario, plain)}"
    return f"| {scenario.name} | {with_spool} | {without} |"


def _sent(scenario: Scenario, outcome: Outcome) -> str:
    made = len(outcome.made) - scenario.own(outcome.spooled)
    return f"{made - outcome.lost} of {made}"


def _mark(scenario: Scenario, outcome: Outcome) -> str:
    return " **!**" if wrong(scenario, outcome) else ""


def write(rows: list[str]) -> None:
    """Put the table where the README has one."""
    before, _, rest = README.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    made = f"{datetime.now(timezone.utc):%Y-%m-%d}, Python {platform.python_version()}, posthog {version('posthog')}"
    README.write_text(f"{before}{BEGIN}\n{made}:\n\n" + "\n".join([HEAD, *rows]) + f"\n{END}{after}")


def main(arguments: list[str]) -> int:
    """Run the scenarios and print the table as Markdown; the exit code tells if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.delivery.table")
    parser.add_argument("--outage", type=int, default=6, metavar="SECONDS", help="length of the long outage")
    parser.add_argument("--only", default="", metavar="WORDS", help="scenarios whose names hold these words")
    parser.add_argument("--write", action="store_true", help="put the table into the README, too")
    options = parser.parse_args(arguments)
    print(HEAD)
    broken: list[str] = []
    rows: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [
            (scenario, *(
                pool.submit(partial(play, scenario, spooled=spooled)) if promise is not None else None
                for spooled, promise in ((True, scenario.spool), (False, scenario.plain))
            ))
            for scenario in chosen(options.outage, options.only)
        ]  # fmt: skip
        for scenario, *futures in runs:
            outcomes = [future and future.result() for future in futures]
            rows.append(row(scenario, *outcomes))
            print(rows[-1], flush=True)
            broken += [
                f"{scenario.name}: {each}" for outcome in outcomes if outcome for each in wrong(scenario, outcome)
            ]
    print("\n".join(["", *broken]), file=sys.stderr)
    if options.write:
        write(rows)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
