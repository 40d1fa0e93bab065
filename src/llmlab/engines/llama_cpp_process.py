"""Starts and ends the child process of a loaded model. Synchronous: loading takes a thread."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Literal, TypeAlias

import psutil

from llmlab.engines.gguf import GgufInfo, inspect_gguf
from llmlab.engines.llama_cpp_child import LOAD_FAILED
from llmlab.engines.processors import piece_for, reading_threads_for, threads_for
from llmlab.errors import (
    ConfigurationError,
    DeadlineError,
    EngineCrashedError,
    InvalidModelFileError,
    LabError,
    OutOfMemoryError,
    UnavailableError,
)
from llmlab.log import get_logger

Progress: TypeAlias = Callable[[float], None]

STOP_GRACE = 2.0
_ILLEGAL_INSTRUCTION = 4
POLL_SECONDS = 0.1
_TAIL_LINES = 200
_ERROR_LINE = re.compile(r"^[\d.]+ E (?:\S+ +)?(?P<reason>.+)$")
_MEMORY = re.compile(r"(?i)failed to (?:re)?allocate|out of memory|unable to allocate|bad_alloc")
_SECRET = re.compile(r"(?i)^LLMLAB_|(?:_KEY|_SECRET|_TOKEN|PASSWORD)$")

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """How a model is loaded.

    Attributes:
        context_length: Tokens that one request can use, prompt and answer together.
        parallel: Requests that are answered at once; each has a context of its own.
        kv_type: Type of the cached keys and values.
        flash_attention: Whether flash attention must be used; else the engine decides.
        mmap: Whether weights are mapped from the file instead of read.
        threads: Processor threads; a number that fits model and machine without it.
        reading_threads: Threads that read prompts; a number that fits without it.
        piece: Tokens of a prompt that a processor reads at once; a number that fits without it.
        gpu_layers: Layers on the GPU; as many as fit without it.
        embeddings: Whether the model also answers embedding requests.
        check_tensors: Whether every weight is checked to be a number.
        cache_mib: Memory for the state of earlier conversations, in MiB.
    """

    context_length: int = 8192
    parallel: int = 4
    kv_type: Literal["f16", "q8_0"] = "f16"
    flash_attention: bool = False
    mmap: bool = True
    threads: int | None = None
    reading_threads: int | None = None
    piece: int | None = None
    gpu_layers: int | None = None
    embeddings: bool = False
    check_tensors: bool = False
    cache_mib: int = 64

    @property
    def kv_tokens(self) -> int:
        """Tokens that the cache of keys and values has room for, over all requests."""
        return self.context_length * self.parallel


def launch(
    path: Path,
    options: LaunchOptions,
    *,
    timeout: float,
    name: str | None = None,
    on_progress: Progress | None = None,
) -> LlamaCppProcess:
    """Load a GGUF file in a child process and wait until it serves.

    Args:
        path: The file; the first one of a model in several.
        options: How it is loaded; the context is cut to what the model was trained for.
        timeout: Seconds that loading may take.
        name: What the model is called; the file's name without it.
        on_progress: Told the loaded part, from 0 to 1, now and then.

    Raises:
        InvalidModelFileError: The file is no model that can be loaded.
        OutOfMemoryError: It does not fit.
        EngineCrashedError: The child crashed while it loaded.
        DeadlineError: It was not loaded in time; the child was ended.
    """
    info = inspect_gguf(path)
    if info.context_length:
        length = min(options.context_length, info.context_length)
        options = replace(options, context_length=length)
    options = _fitted(options, info.file_size)
    process = LlamaCppProcess(path, name or path.stem, info, options)
    try:
        process.start(timeout, on_progress)
    except BaseException:
        process.stop()
        raise
    return process


def _fitted(options: LaunchOptions, size: int) -> LaunchOptions:
    """Settle what the caller left open, by the size of the weights in bytes."""
    threads = options.threads or threads_for(size)
    reading = options.reading_threads or options.threads or reading_threads_for(size)
    piece = options.piece or piece_for(size)
    return replace(options, threads=threads, reading_threads=reading, piece=piece)


class LlamaCppProcess:
    """A loaded model: its child process and how to dial it. Made by :func:`launch`.

    Attributes:
        path: The model's (first) file.
        name: What the model is called.
        info: What the file says of itself.
        options: How it was loaded, the context cut to what the model was trained for.
        api_key: The key that the child asks for, known to nobody else.
        url: Where the child listens, on loopback.
    """

    def __init__(self, path: Path, name: str, info: GgufInfo, options: LaunchOptions) -> None:
        self.path = path
        self.name = name
        self.info = info
        self.options = options
        self.api_key = secrets.token_urlsafe(32)
        self.url = ""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stop_lock = threading.Lock()
        self._process = _spawn()
        self._readers = [
            self._reader("answers", self._read_answer),
            self._reader("stderr", self._read_stderr),
        ]

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def start(self, timeout: float, on_progress: Progress | None) -> None:
        """Hand over the configuration and wait until the model is loaded; for :func:`launch`."""
        for reader in self._readers:
            reader.start()
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).write(self._configuration())
            _pipe(self._process.stdin).flush()
        answer = self._wait(time.monotonic() + timeout, timeout, on_progress)
        if not answer:
            raise self._failure()
        self.url = json.loads(answer)["url"]
        if on_progress is not None:
            on_progress(1.0)

    def alive(self) -> bool:
        """Return whether the child runs."""
        return self._process.poll() is None

    def memory_bytes(self) -> int:
        """Return the main memory that the child holds now; 0 when it has ended."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss) if self.alive() else 0
        except psutil.Error:
            return 0

    def stderr_tail(self) -> str:
        """Return the last lines that the child wrote to stderr."""
        return "\n".join(self._tail)

    def exit_reason(self) -> str:
        """Return in words how the child ended; an empty text while it runs."""
        status = self._process.poll()
        if status is None:
            return ""
        if status >= 0:
            return f"ended with status {status}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
        return f"was ended by signal {-status}"

    def stop(self) -> None:
        """End the child: politely, then for sure. It is gone when this returns."""
        with self._stop_lock:
            if self.alive():
                self._process.terminate()
                try:
                    self._process.wait(STOP_GRACE)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            for reader in self._readers:
                if reader.ident is not None:
                    reader.join(STOP_GRACE)
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                with contextlib.suppress(OSError):
                    _pipe(stream).close()

    def _configuration(self) -> bytes:
        config = {
            "path": str(self.path.absolute()),
            "name": self.name,
            "key": self.api_key,
            "options": asdict(self.options),
            "mean_pooling": self.options.embeddings and not self.info.pooling,
        }
        return json.dumps(config).encode() + b"\n"

    def _wait(self, deadline: float, timeout: float, on_progress: Progress | None) -> bytes:
        while (left := deadline - time.monotonic()) > 0:
            try:
                return self._answers.get(timeout=min(left, POLL_SECONDS))
            except queue.Empty:
                if on_progress is not None:
                    # The engine doesn't tell; what it holds of the file's size is close.
                    on_progress(min(0.99, self.memory_bytes() / max(1, self.info.file_size)))
        raise DeadlineError(f"The model {self.name} was not loaded within {timeout:g} seconds.")

    def _failure(self) -> LabError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_GRACE)
        self._readers[1].join(STOP_GRACE)
        reason = self._reason()
        if _MEMORY.search(self.stderr_tail()):
            return OutOfMemoryError(f"The model {self.name} does not fit the memory: {reason}")
        status = self._process.poll()
        if status == LOAD_FAILED:
            return InvalidModelFileError(
                f"The model file {self.path.name} cannot be loaded: {reason}"
            )
        if status == -_ILLEGAL_INSTRUCTION:
            reason = "ImportError: this build of xllamacpp needs a processor with AVX2"
        if "Error" in reason:
            # The child is Python until the engine takes over: a broken installation shows so.
            return ConfigurationError(f"The engine llama_cpp cannot be started: {reason}")
        return EngineCrashedError(
            f"The engine {self.exit_reason()} while it loaded the model {self.name}: {reason}"
        )

    def _reason(self) -> str:
        folder = f"{self.path.absolute().parent}{os.sep}"
        for line in self._tail:
            if found := _ERROR_LINE.match(line):
                return found["reason"].replace(folder, "")[:500]
        return (self._tail[-1] if self._tail else "it gave no reason")[:500]

    def _reader(self, what: str, target: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=target, name=f"llama-cpp-{what}-{self.pid}", daemon=True)

    def _read_answer(self) -> None:
        self._answers.put(_pipe(self._process.stdout).readline(4096))

    def _read_stderr(self) -> None:
        stream = _pipe(self._process.stderr)
        while line := stream.readline(4096):
            text = line.decode(errors="replace").rstrip()
            self._tail.append(text)
            _logger.debug("llama.cpp: %s", text, extra={"model": self.name})


def _spawn() -> subprocess.Popen[bytes]:
    try:
        # Its own session: Ctrl-C at the terminal is for the lab, which ends its children in order.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "llmlab.engines.llama_cpp_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise UnavailableError(f"No process can be started for the model: {error}.") from error


def _environment() -> dict[str, str]:
    handed_on = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    # A crash is told by its own line; a debugger's trace takes seconds and hides it.
    return handed_on | {"GGML_NO_BACKTRACE": "1"}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # every pipe was asked for
    return stream
