"""How a model is loaded: one function per strategy, and their registry.

``standard`` keeps the cache in full precision; ``optimized`` halves it (8-bit keys and values,
which llama.cpp only does with flash attention) and maps the file, so that weights are read when
they are needed and shared between processes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from llmlab.engines.gguf import GgufInfo
from llmlab.engines.llama_cpp import LaunchOptions
from llmlab.errors import InvalidRequestError
from llmlab.models.hardware import MB
from llmlab.settings import Settings

# A text must fit one batch to be embedded, and buffers grow with the batch.
EMBEDS_UP_TO = 256 * MB
SMALLEST_CACHE_MIB, LARGEST_CACHE_MIB = 8, 64

Strategy = Callable[[GgufInfo, Settings], LaunchOptions]


def standard(info: GgufInfo, settings: Settings) -> LaunchOptions:
    """Full precision for the cache, weights read into memory."""
    return LaunchOptions(
        context_length=context_length(info, settings),
        parallel=settings.parallel,
        kv_type="f16",
        flash_attention=False,
        mmap=False,
        threads=None,
        gpu_layers=None,
        embeddings=gives_embeddings(info),
        check_tensors=True,
        # The state of earlier conversations takes about as much as the weights, within bounds.
        cache_mib=max(SMALLEST_CACHE_MIB, min(LARGEST_CACHE_MIB, info.file_size // MB)),
    )


def optimized(info: GgufInfo, settings: Settings) -> LaunchOptions:
    """Half the memory for the cache: 8-bit keys and values, flash attention, mapped weights."""
    return dataclasses.replace(
        standard(info, settings), kv_type="q8_0", flash_attention=True, mmap=True
    )


STRATEGIES: Mapping[str, Strategy] = {"standard": standard, "optimized": optimized}


def gives_embeddings(info: GgufInfo) -> bool:
    """Whether a model is loaded so that it embeds too, which costs a large one much memory."""
    return bool(info.pooling) or info.file_size <= EMBEDS_UP_TO


def context_length(info: GgufInfo, settings: Settings) -> int:
    """Return the tokens of context: what was trained, and no more than the settings allow."""
    trained = info.context_length or settings.context_length
    return min(trained, settings.context_length)


def launch_options(
    strategy: str, info: GgufInfo, settings: Settings, overrides: Mapping[str, Any] | None = None
) -> LaunchOptions:
    """Return how a model is to be loaded.

    Args:
        strategy: Name of a strategy.
        info: What the header of the model's file says.
        settings: Limits for context and parallel requests.
        overrides: Fields of :class:`LaunchOptions` that replace the strategy's.

    Raises:
        InvalidRequestError: The strategy or a field does not exist.
    """
    check_strategy(strategy)
    options = STRATEGIES[strategy](info, settings)
    try:
        return dataclasses.replace(options, **(overrides or {}))
    except TypeError as error:
        names = ", ".join(field.name for field in dataclasses.fields(LaunchOptions))
        raise InvalidRequestError(f"{error}. Load options are {names}.") from error


def check_strategy(strategy: str) -> None:
    """Refuse a strategy that does not exist.

    Raises:
        InvalidRequestError: There is none of that name; the message lists them.
    """
    if strategy not in STRATEGIES:
        names = ", ".join(STRATEGIES)
        raise InvalidRequestError(
            f"There is no strategy {strategy!r}; choose one of {names}.", param="strategy"
        )
