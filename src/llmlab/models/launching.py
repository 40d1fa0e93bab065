"""From a record of the catalog to an engine that answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from llmlab.engines.base import Engine
from llmlab.engines.gguf import GgufInfo, inspect_gguf
from llmlab.engines.llama_cpp import LaunchOptions, LlamaCppEngine, launch
from llmlab.engines.registry import engine_class
from llmlab.errors import ConfigurationError, InvalidModelFileError
from llmlab.models.catalog import digest_of
from llmlab.models.records import ModelRecord
from llmlab.models.residents import ChildProcess

OnProgress = Callable[[float], None]


class Launcher(Protocol):
    """Starts the child process of a model; blocks until it answers."""

    def __call__(
        self,
        path: Path,
        options: LaunchOptions,
        *,
        name: str,
        timeout: float,
        on_progress: OnProgress,
    ) -> tuple[ChildProcess, Engine]:
        """Return the process and the engine that dials it.

        ``on_progress`` is told the loaded part, from 0 to 1; what it raises ends the load.
        """


def launch_llama_cpp(
    path: Path,
    options: LaunchOptions,
    *,
    name: str,
    timeout: float,
    on_progress: OnProgress,
    request_timeout: float = 300.0,
) -> tuple[ChildProcess, Engine]:
    """Start llama.cpp's server around a GGUF file; ``request_timeout`` is that of each request."""
    process = launch(path, options, name=name, timeout=timeout, on_progress=on_progress)
    return process, LlamaCppEngine.of(process, timeout=request_timeout)


def dial(record: ModelRecord, timeout: float) -> Engine:
    """Return the engine of a model that somebody else's server has loaded or will load.

    Raises:
        ConfigurationError: The record names no server.
    """
    if record.url is None:
        raise ConfigurationError(f"The model {record.key} has neither a file nor a server.")
    remote: Callable[..., Engine] = engine_class(record.engine)
    return remote(record.url, timeout=timeout)


def inspect_model(record: ModelRecord) -> GgufInfo:
    """Return what a model's files say of themselves.

    Raises:
        InvalidModelFileError: A file is missing, damaged, or not what the lab shipped.
    """
    assert record.path is not None
    info = inspect_gguf(record.path)
    if record.source == "builtin" and digest_of(record.path) != record.digest:
        raise InvalidModelFileError(
            f"{record.path}, the built-in model, was changed or damaged. Install the lab anew."
        )
    return info
