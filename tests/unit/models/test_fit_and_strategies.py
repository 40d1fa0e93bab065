from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from llmlab.engines.gguf import GgufInfo, inspect_gguf
from llmlab.errors import InvalidRequestError
from llmlab.models.fit import ENGINE_BYTES, estimate_bytes, fit_options, key_value_bytes
from llmlab.models.hardware import GB, MB
from llmlab.models.strategies import launch_options
from llmlab.settings import Settings


@pytest.fixture
def info(tiny_file: Path) -> GgufInfo:
    """The header of an 8B model: 32 layers, 8 key-value heads of 128."""
    return dataclasses.replace(
        inspect_gguf(tiny_file),
        layers=32,
        kv_heads=8,
        head_dim=128,
        context_length=131072,
        file_size=5 * GB,
    )


SETTINGS = Settings.from_dict({"context_length": 8192, "parallel": 1})


def test_the_estimate_is_weights_and_cache_and_engine(info: GgufInfo) -> None:
    options = launch_options("standard", info, SETTINGS)
    assert key_value_bytes(info, options) == GB
    assert estimate_bytes(info, options) == 6 * GB + ENGINE_BYTES


def test_optimized_needs_half_the_cache(info: GgufInfo) -> None:
    standard = launch_options("standard", info, SETTINGS)
    optimized = launch_options("optimized", info, SETTINGS)
    assert key_value_bytes(info, optimized) == pytest.approx(
        key_value_bytes(info, standard) * 0.53, rel=0.01
    )
    assert (optimized.kv_type, optimized.flash_attention, optimized.mmap) == ("q8_0", True, True)
    assert (standard.kv_type, standard.mmap) == ("f16", False)


def test_the_context_is_what_was_trained_and_what_is_allowed(info: GgufInfo) -> None:
    small = dataclasses.replace(info, context_length=2048)
    assert launch_options("standard", small, SETTINGS).context_length == 2048
    assert launch_options("standard", info, SETTINGS).context_length == 8192


def test_small_and_embedding_models_embed(info: GgufInfo, tiny_file: Path) -> None:
    assert launch_options("standard", inspect_gguf(tiny_file), SETTINGS).embeddings
    assert not launch_options("standard", info, SETTINGS).embeddings
    pooled = dataclasses.replace(info, pooling=True)
    assert launch_options("standard", pooled, SETTINGS).embeddings


@pytest.mark.parametrize(("size", "mebibytes"), [(5 * MB, 8), (20 * MB, 20), (4 * GB, 64)])
def test_earlier_conversations_take_no_more_than_the_weights(
    info: GgufInfo, size: int, mebibytes: int
) -> None:
    model = dataclasses.replace(info, file_size=size)
    assert launch_options("standard", model, SETTINGS).cache_mib == mebibytes


def test_options_can_be_replaced_by_name(info: GgufInfo) -> None:
    assert launch_options("standard", info, SETTINGS, {"threads": 3}).threads == 3
    with pytest.raises(InvalidRequestError, match="context_length"):
        launch_options("standard", info, SETTINGS, {"thread": 3})
    with pytest.raises(InvalidRequestError, match="standard, optimized"):
        launch_options("best", info, SETTINGS)


def test_parallel_requests_give_way_first_and_context_then(info: GgufInfo) -> None:
    options = launch_options("standard", info, SETTINGS, {"parallel": 4})
    assert fit_options(info, options, 20 * GB) == options
    fewer = fit_options(info, options, int(7.5 * GB))
    assert (fewer.parallel, fewer.context_length) == (2, 8192)
    shorter = fit_options(info, options, int(5.6 * GB))
    assert (shorter.parallel, shorter.context_length) == (1, 4096)
    least = fit_options(info, options, GB)
    assert (least.parallel, least.context_length) == (1, 2048)
    assert estimate_bytes(info, least) > GB
