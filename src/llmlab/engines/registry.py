"""Names of the engines; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from llmlab.engines.base import Engine
from llmlab.errors import NotFoundError

_ENGINES = {
    "llama_cpp": "llmlab.engines.llama_cpp:LlamaCppEngine",
    "openai": "llmlab.engines.openai:OpenAIEngine",
    "ollama": "llmlab.engines.ollama:OllamaEngine",
}


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines."""
    return tuple(_ENGINES)


def engine_class(name: str) -> type[Engine]:
    """Import an engine.

    Raises:
        NotFoundError: There is no such engine; the message lists the ones that exist.
    """
    if name not in _ENGINES:
        known = ", ".join(_ENGINES)
        raise NotFoundError(f"There is no engine {name[:100]!r}; there are {known}.")
    module, _, attribute = _ENGINES[name].partition(":")
    found: type[Engine] = getattr(import_module(module), attribute)
    return found
