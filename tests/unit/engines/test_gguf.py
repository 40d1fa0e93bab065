"""A GGUF file is checked before any engine sees it; what is wrong is named."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from llmlab.engines.gguf import inspect_gguf
from llmlab.errors import InvalidModelFileError
from llmlab.testing.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", name="Tiny\x1b[31m")


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def number(key: str, value: int) -> bytes:
    return entry(key, 4, struct.pack("<I", value))


def tensor(name: str, shape: list[int], kind: int = 0, offset: int = 0) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dimensions + struct.pack("<IQ", kind, offset)


NEEDED = [
    entry("general.architecture", 8, text("llama")),
    number("llama.context_length", 128),
    number("llama.block_count", 1),
    number("llama.embedding_length", 32),
    number("llama.attention.head_count", 2),
]


def gguf(
    entries: list[bytes] | None = None,
    tensors: list[bytes] | None = None,
    *,
    version: int = 3,
    data: int = 4096,
    counts: tuple[int, int] | None = None,
) -> bytes:
    entries = NEEDED if entries is None else entries
    tensors = [tensor("a", [32])] if tensors is None else tensors
    claimed = counts or (len(tensors), len(entries))
    head = b"GGUF" + struct.pack("<IQQ", version, *claimed) + b"".join(entries + tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InvalidModelFileError) as caught:
        inspect_gguf(path)
    assert path.name in caught.value.message
    return caught.value.message


def test_a_good_file_tells_what_it_is(tiny: Path) -> None:
    info = inspect_gguf(tiny)

    assert (info.architecture, info.context_length, info.layers) == ("llama", 2048, 2)
    assert (info.kv_heads, info.head_dim, info.embedding_length) == (1, 32, 64)
    assert info.file_size == tiny.stat().st_size
    assert info.parameter_count == 107968
    assert info.chat_template
    assert info.quantization == "F16"
    assert not info.pooling
    assert info.parts == (tiny,)
    # What a terminal would obey does not come out of a file.
    assert info.name == "Tiny[31m"


def test_a_smallest_file_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(gguf())

    info = inspect_gguf(path)

    assert (info.kv_heads, info.head_dim, info.parameter_count) == (2, 16, 32)
    assert not info.chat_template
    assert info.quantization == ""


def test_numbers_that_differ_by_layer_count_by_the_largest(tmp_path: Path) -> None:
    path = tmp_path / "layers.gguf"
    heads = struct.pack("<IQ3I", 4, 3, 2, 8, 4)
    path.write_bytes(gguf([*NEEDED, entry("llama.attention.head_count_kv", 9, heads)]))

    assert inspect_gguf(path).kv_heads == 8


def test_long_lists_and_texts_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    tokens = struct.pack("<IQ", 8, 6000) + text("x") * 6000
    floats = struct.pack("<IQ", 6, 6000) + bytes(4 * 6000)
    template = text("t" * 100_000)
    extra = [
        entry("tokenizer.tokens", 9, tokens),
        entry("tokenizer.scores", 9, floats),
        entry("tokenizer.chat_template", 8, template),
    ]
    path.write_bytes(gguf([*NEEDED, *extra]))

    assert inspect_gguf(path).chat_template


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no GGUF file"),
        (b"GG", "no GGUF file"),
        (b"<html>not found</html>", "no GGUF file"),
        (b"GGUF", "truncated"),
        (b"GGUF\x00\x00\x00\x03" + bytes(16), "big-endian"),
        (gguf(version=1), "version is 1"),
        (gguf(version=99), "version is 99"),
        (gguf(counts=(2**63, 5)), f"claims {2**63} tensors"),
        (gguf(counts=(1, 2**64 - 1)), f"claims {2**64 - 1} metadata entries"),
        (gguf(counts=(5000, 5)), "claims 5000 tensors"),
        (gguf([text("k" * 70_000) + bytes(12)]), "a metadata key would be 70000 bytes"),
        (gguf([struct.pack("<Q", 2**62) + bytes(12)]), "a metadata key would be"),
        (gguf([entry("a", 8, struct.pack("<Q", 2**40))]), f"{2**40} bytes long"),
        (gguf([entry("a", 99, bytes(8))]), "unknown type 99"),
        (gguf([number("a", 1), number("a", 1)]), "'a' twice"),
        (gguf([entry("a", 9, struct.pack("<IQ", 8, 2**40))]), f"claims {2**40} entries in 'a'"),
        (gguf([entry("a", 9, struct.pack("<IQ", 6, 2**61))]), f"claims {2**61} entries in 'a'"),
        (gguf([entry("a", 9, struct.pack("<IQ", 9, 1))]), "a list of the unknown type 9"),
        (gguf([*NEEDED, number("general.alignment", 0)]), "alignment is 0"),
        (gguf([*NEEDED, number("general.alignment", 24)]), "no power of two"),
        (gguf([*NEEDED, entry("general.alignment", 8, text("x"))]), "alignment is 'x'"),
        (gguf(tensors=[tensor("a", [32]), tensor("a", [32])]), "tensor 'a' twice"),
        (gguf(tensors=[tensor("a", [])]), "0 dimensions"),
        (gguf(tensors=[tensor("a", [1] * 9)]), "9 dimensions"),
        (gguf(tensors=[tensor("a", [0])]), "absurd shape"),
        (gguf(tensors=[tensor("a", [2**40, 2**40])]), "absurd shape"),
        (gguf(tensors=[tensor("a", [32], kind=7777)]), "unknown type 7777"),
        (gguf(tensors=[tensor("a", [33], kind=8)]), "no whole blocks"),
        (gguf(tensors=[tensor("a", [32], offset=7)]), "between two aligned places"),
        (gguf(tensors=[tensor("a", [32], offset=2**50)]), "truncated"),
        (gguf(tensors=[tensor("a", [2**30])]), "truncated: its tensors need"),
        (gguf(tensors=[tensor("a", [2**30], kind=200)]), "truncated: its tensors need"),
        (gguf([]), "names no architecture"),
        (gguf(NEEDED[:1]), "lacks llama.embedding_length"),
        (gguf([*NEEDED[:2], *NEEDED[3:]]), "lacks llama.block_count"),
        (gguf([*NEEDED[:1], *NEEDED[2:]]), "lacks llama.context_length"),
        (gguf([*NEEDED, number("llama.attention.key_length", 2**31)]), "key_length is"),
        (gguf([*NEEDED, entry("llama.pooling_type", 8, text("x"))]), "pooling_type is 'x'"),
        (gguf([entry("general.architecture", 8, text("clip"))]), "no language model"),
        (gguf([*NEEDED, entry("general.type", 8, text("adapter"))]), "of the kind adapter"),
        (gguf([*NEEDED, number("split.count", 10**6)]), "one of 1000000 parts"),
        (gguf([*NEEDED, number("split.count", 2)]), "its name does not say which"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refusal(tmp_path / "bad.gguf", content)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.gguf")
    for name, reason in (
        ("missing.gguf", "does not exist"),
        ("pipe.gguf", "no regular file"),
        ("", "no regular file"),
        ("nul\0.gguf", "cannot be read"),
    ):
        with pytest.raises(InvalidModelFileError, match=reason):
            inspect_gguf(tmp_path / name)


def test_control_letters_of_a_file_name_do_not_come_out(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2Jb.gguf"
    path.write_bytes(b"x")

    with pytest.raises(InvalidModelFileError) as caught:
        inspect_gguf(path)

    assert "\x1b" not in caught.value.message


def test_a_model_in_several_files_is_read_as_one(tmp_path: Path) -> None:
    first = tmp_path / "big-00001-of-00002.gguf"
    second = tmp_path / "big-00002-of-00002.gguf"
    # The first part may hold metadata alone.
    first.write_bytes(gguf([*NEEDED, number("split.count", 2)], [], data=0))
    with pytest.raises(InvalidModelFileError, match=r"00002-of-00002.gguf.*does not exist"):
        inspect_gguf(first)

    second.write_bytes(gguf([number("split.count", 2)]))
    info = inspect_gguf(first)

    assert info.parts == (first, second)
    assert info.file_size == first.stat().st_size + second.stat().st_size
    assert info.parameter_count == 32
    with pytest.raises(InvalidModelFileError, match="part 2 of 2; give the first part"):
        inspect_gguf(second)
    second.write_bytes(second.read_bytes()[:-4090])
    with pytest.raises(InvalidModelFileError, match=r"00002-of-00002.gguf.*truncated"):
        inspect_gguf(first)


def test_a_truncated_file_is_refused_at_every_length(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    path = tmp_path / "cut.gguf"
    lengths = {*range(64), *range(64, 8000, 97), *range(8000, len(whole), 9973), len(whole) - 1}

    for length in sorted(lengths):
        refusal(path, whole[:length])


def test_damaged_headers_end_in_a_verdict_at_once(tiny: Path, tmp_path: Path) -> None:
    # A verdict is an info or a named refusal: never another error, never much memory or time.
    whole = tiny.read_bytes()
    path = tmp_path / "damaged.gguf"
    chance = random.Random(7)
    refused = 0
    tracemalloc.start()
    started = time.monotonic()
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            position = chance.randrange(4, 1200 if chance.random() < 0.5 else 12_000)
            width = chance.choice((1, 4, 8))
            damaged[position : position + width] = chance.randbytes(width)
        path.write_bytes(damaged)
        try:
            inspect_gguf(path)
        except InvalidModelFileError:
            refused += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert refused > 50
    assert peak < 20_000_000
    assert time.monotonic() - started < 60


def test_random_bytes_behind_the_magic_are_refused(tmp_path: Path) -> None:
    chance = random.Random(3)
    for _ in range(100):
        size = chance.randrange(0, 5000)
        refusal(tmp_path / "noise.gguf", b"GGUF\x03\x00\x00\x00" + chance.randbytes(size))
        small = struct.pack("<QQ", chance.randrange(50), chance.randrange(50))
        refusal(
            tmp_path / "noise.gguf",
            b"GGUF\x03\x00\x00\x00" + small + chance.randbytes(size),
        )
