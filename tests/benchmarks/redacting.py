"""What redacting 200 KB costs the worker, for texts of several kinds, by redactor and all together.

    python tests/benchmarks/redacting.py [ROUNDS]

The figures are the least processor time of a thread over the rounds, in milliseconds, which a busy machine disturbs
least; as a measure of the machine, the time that ``json.dumps`` takes for the same text stands beside them.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from llm_track.redaction import KINDS, redactors

LENGTH = 200_000
PERSONAL = ("bob@example.com", "+49 30 1234567", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "192.168.1.10")


def texts() -> dict[str, str]:
    """Return {kind: text}: words, with few and with many letters beyond ASCII, words among which one in a hundred is
    personal data, code, code inside JSON, and that as the argument of a tool inside JSON."""
    chosen = random.Random(1)
    words = [word for word in (Path(__file__).parents[2] / "README.md").read_text().split() if word.isalpha()]
    prose = " ".join(chosen.choice(words) for _ in range(LENGTH // 5))[:LENGTH]
    mixed = [chosen.choice(PERSONAL) if chosen.random() < 0.01 else word for word in prose.split()]
    code = "".join(path.read_text() for path in sorted((Path(__file__).parents[2] / "llm_track").glob("*.py")))
    return {
        "words": prose,
        "accents": prose.replace("er ", "ér "),
        "Chinese": re.sub("[a-z]", "日", prose),
        "words and data": " ".join(mixed)[:LENGTH],
        "code": code[:LENGTH],
        "code in JSON": json.dumps(code)[:LENGTH],
        "JSON in JSON": json.dumps(json.dumps(code))[:LENGTH],
    }


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time that some work took."""
    taken = []
    for _ in range(rounds):
        before = time.thread_time()
        work()
        taken.append(time.thread_time() - before)
    return min(taken) * 1000


def main(rounds: int = 15) -> None:
    """Print a table."""
    single = [redactors([name])[0] for name in KINDS]
    print(f"{'':16}{'json.dumps':>12}{'all':>8}" + "".join(f"{name:>9}" for name in KINDS))
    for kind, text in texts().items():

        def everything(text: str = text) -> None:
            for redact in redactors("all"):
                text = redact(text)

        figures = [milliseconds(lambda text=text: json.dumps(text), rounds), milliseconds(everything, rounds)]
        each = [milliseconds(lambda text=text, redact=redact: redact(text), rounds) for redact in single]
        print(f"{kind:16}{figures[0]:12.2f}{figures[1]:8.2f}" + "".join(f"{figure:9.2f}" for figure in each))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
