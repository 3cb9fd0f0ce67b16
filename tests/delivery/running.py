"""Runs a scenario: its programs in processes of their own, then, where there is a spool, their heirs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.delivery.faulty import CERTIFICATE, Faulty
from tests.delivery.verdicts import KEY, Outcome, Scenario

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0
"""Seconds for whatever must come true."""
LONGEST = 90.0
"""Seconds, beside those that it is given, after which a program counts as one that does not end."""
LOST = re.compile(r"llm_track could not deliver (\d+) events? before the program ended")
WAIT = re.compile(r"(\d+) events? waits? in the spool")
REPLAYED = re.compile(r"^(\d+) delivered in ")
_BYTECODE = tempfile.TemporaryDirectory(prefix="llm_track bytecode ")
"""Processes share what the first of them compiles."""
_SPOKEN = ("POSTHOG", "LLM_TRACK", "PYTEST", "PYTHONDONTWRITEBYTECODE", "REQUESTS_CA_BUNDLE")


class Process:
    """A program in a process of its own, which is listened to."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], outcome: Outcome, obey: Callable[[str], None]
    ):
        self.log: list[str] = []
        self.has_made = threading.Event()
        self._outcome, self._obey = outcome, obey
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(  # of a group of its own, which ends with it
            [sys.executable, *arguments], env=environment, cwd=ROOT, text=True, start_new_session=True, **pipes
        )
        self._listeners = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._read_log)]
        for listener in self._listeners:
            listener.start()

    def release(self) -> None:
        """Tell a program that waits for it to end."""
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    def end(self, seconds: float = 0.0) -> int | None:
        """Wait for the end; return the exit code, ``None`` for a program that had to be killed."""
        try:
            code = self._process.wait(LONGEST + seconds)
        except subprocess.TimeoutExpired:
            code = None
        if code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for listener in self._listeners:
            listener.join(PATIENCE)
        self.release()
        return code

    def _listen(self) -> None:
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith("{"):
                    self._hear(json.loads(line))
                else:
                    self._outcome.replayed += sum(map(int, REPLAYED.findall(line)))

    def _hear(self, said: dict) -> None:
        if "made" in said:
            prefix, number = said["made"]
            self._outcome.made.update(f"{prefix} {each}" for each in range(number))
            self.has_made.set()
        if "stats" in said:
            self._outcome.stats[said["pid"]] = said["stats"]
        if "flushed" in said:
            self._outcome.flushed.append(said["flushed"])
        if "turn" in said:
            self._outcome.turns.append(said["turn"])
        if "ask" in said:
            self._obey(said["ask"])
            self._process.stdin.write("done\n")
            self._process.stdin.flush()

    def _read_log(self) -> None:
        with self._process.stderr as lines:
            self.log += lines


class Stage:
    """Where one scenario is played."""

    def __init__(self, scenario: Scenario, receiver: Faulty, folder: Path, *, spooled: bool):
        self.scenario, self.receiver, self.folder = scenario, receiver, folder
        self.spool = folder / "spool" if scenario.writable else folder / "file" / "spool"
        (folder / "file").touch()
        self.outcome = Outcome(spooled=spooled)

    def play(self) -> Outcome:
        """Run everything, and return what came of it."""
        self.outcome.codes = self._end([self._start(self.spool) for _ in range(self.scenario.processes)])
        if self.scenario.spoils is not None:
            self._spoil(self.scenario.spoils)
        self.receiver.heal()
        self.receiver.settle()
        self.outcome.before = list(self.receiver.stored)
        if self.outcome.spooled:
            self.outcome.readable = [str(path) for path in self._files(self.spool) if path.stat().st_mode & 0o077]
            self.outcome.heirs_codes = self._run_heirs()
            self.receiver.settle()
            self.outcome.quarantine = [_unpacked(path) for path in self._files(self.spool / "quarantine")]
        self.outcome.stored = list(self.receiver.stored)
        return self.outcome

    def _start(self, spool: Path, outcome: Outcome | None = None) -> Process:
        arguments = ["-m", "tests.delivery.producer", self.scenario.program, json.dumps(dict(self.scenario.given))]
        return Process(arguments, self._environment(spool), outcome or self.outcome, self._obey)

    def _end(self, processes: list[Process]) -> list[int | None]:
        codes = [process.end(self.scenario.given.get("seconds", 0.0)) for process in processes]
        log = "".join(line for process in processes for line in process.log)
        self.outcome.log += log
        self.outcome.said_lost += sum(map(int, LOST.findall(log)))
        self.outcome.said_waiting += sum(map(int, WAIT.findall(log)))
        return codes

    def _environment(self, spool: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_SPOKEN)}
        kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": _BYTECODE.name,
            "POSTHOG_API_KEY": KEY,
            "POSTHOG_API_URL": self.scenario.host or self.receiver.url,
            "LLM_TRACK_EXIT_SECONDS": str(self.scenario.exit_seconds),
            **({"LLM_TRACK_SPOOL": str(spool)} if self.outcome.spooled else {}),
            **self.scenario.settings,
        }

    def _obey(self, what: str) -> None:
        if what.startswith("heal in "):
            threading.Timer(float(what.removeprefix("heal in ")), self.receiver.heal).start()
        elif what == "heal":
            self.receiver.heal()
        else:
            self.receiver.fail(self.scenario.later)

    def _spoil(self, how: str) -> None:
        """Have one more process be killed, damage what it leaves behind, and put it beside the others' files."""
        other, apart = Outcome(), self.folder / "apart"
        self._end([self._start(apart, other)])
        self.outcome.of_spoiled = other.made
        for path in self._files(apart):
            content = path.read_bytes()
            path.write_bytes(os.urandom(len(content)) if how == "garbage" else content[: len(content) // 2])
            path.rename(self.spool / path.relative_to(apart))

    def _run_heirs(self) -> list[int | None]:
        strangers = [self._start_heir(kind) for kind in self.scenario.heirs if kind == "stranger"]
        self._live(strangers, lambda: any(event.key != KEY for event in list(self.receiver.stored)))
        codes = self._end(strangers)
        heirs = {self._start_heir(kind): kind for kind in self.scenario.heirs if kind != "stranger"}
        self._live([heir for heir, kind in heirs.items() if kind == "heir"], self._has_all)
        return codes + self._end(list(heirs))

    @staticmethod
    def _live(heirs: list[Process], condition: Callable[[], bool]) -> None:
        """Let heirs live until something is true."""
        until = time.monotonic() + PATIENCE
        while heirs and time.monotonic() < until:
            if all(heir.has_made.is_set() for heir in heirs) and condition():
                break
            time.sleep(0.05)
        for heir in heirs:
            heir.release()

    def _has_all(self) -> bool:
        stored = {event.name for event in list(self.receiver.stored)}
        return len(self.outcome.made - stored) <= self.outcome.counted

    def _start_heir(self, kind: str) -> Process:
        environment = self._environment(self.spool) | {"LLM_TRACK_EXIT_SECONDS": str(PATIENCE)}
        environment |= {"REQUESTS_CA_BUNDLE": str(CERTIFICATE)} if self.scenario.secure else {}
        environment |= {"http_proxy": self.receiver.url} if self.scenario.host else {}
        environment |= {"POSTHOG_API_KEY": "phc_other"} if kind == "stranger" else {}
        arguments = ["-m", "tests.delivery.producer", "heir", "{}"]
        if kind == "replay":
            arguments = ["-m", "llm_track", "replay", str(self.spool)]
        return Process(arguments, environment, self.outcome, self._obey)

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return zlib.decompress(content) if path.suffix == ".zz" else content


def play(scenario: Scenario, *, spooled: bool) -> Outcome:
    """Run one scenario, with a spool or without."""
    with tempfile.TemporaryDirectory() as folder, Faulty(scenario.fault, secure=scenario.secure) as receiver:
        return Stage(scenario, receiver, Path(folder), spooled=spooled).play()
