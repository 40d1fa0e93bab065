"""How much memory a model will take, before it takes it.

The formula is that of a Llama: weights, plus the key-value cache of every layer, plus what the
engine needs for itself. Measured on a processor it is right within a few percent; once a model
is loaded, its measured memory counts and no longer this.
"""

from __future__ import annotations

import dataclasses

from llmlab.engines.gguf import GgufInfo
from llmlab.engines.llama_cpp import LaunchOptions
from llmlab.models.hardware import MB

ENGINE_BYTES = 30 * MB

# Below this a conversation is cut off too soon to be worth it.
LEAST_CONTEXT = 2048

# Bytes of one number in the key-value cache; q8_0 stores 32 numbers in 34 bytes.
KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32}


def key_value_bytes(info: GgufInfo, options: LaunchOptions) -> int:
    """Return the bytes of the key-value cache: keys and values, each layer, each token."""
    numbers = 2 * info.layers * info.kv_heads * info.head_dim * options.kv_tokens
    return int(numbers * KV_BYTES[options.kv_type])


def estimate_bytes(info: GgufInfo, options: LaunchOptions) -> int:
    """Return the bytes that a model will take once it is loaded.

    Args:
        info: What its files say; ``file_size`` counts as the weights.
        options: How it is to be loaded.
    """
    return info.file_size + key_value_bytes(info, options) + ENGINE_BYTES


def fit_options(info: GgufInfo, options: LaunchOptions, budget: int) -> LaunchOptions:
    """Return the options with fewer parallel requests, then less context, where memory is short.

    Args:
        info: What the model's files say.
        options: How the model should be loaded.
        budget: Bytes that it may take; the result may still be over it.
    """
    while estimate_bytes(info, options) > budget:
        if options.parallel > 1:
            options = dataclasses.replace(options, parallel=options.parallel // 2)
        elif options.context_length >= 2 * LEAST_CONTEXT:
            options = dataclasses.replace(options, context_length=options.context_length // 2)
        else:
            break
    return options
