"""Reads the header of a GGUF file that nobody vouches for.

Every count and length is held against what is left of the file before anything is read or made,
so that a hostile header costs neither memory nor much time.

Source: ggml, docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import math
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from llmlab.errors import InvalidModelFileError

Value: TypeAlias = int | float | bool | str | tuple[int, ...] | None

MAX_ENTRIES: Final = 65_536
MAX_KEY: Final = 65_535
MAX_STRINGS: Final = 4_000_000
MAX_DIMENSIONS: Final = 4
# Longer texts and lists are skipped: nothing here needs them.
KEPT_STRING: Final = 4096
KEPT_LIST: Final = 4096

_STRING, _ARRAY = 8, 9
_SCALARS: Final = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_INTEGERS: Final = frozenset({0, 1, 2, 3, 4, 5, 10, 11})
_U32, _U64 = _SCALARS[4], _SCALARS[10]

# Tensor type: elements and bytes of one block.
BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
    41: (128, 18),
}  # fmt: skip
# Types that this table does not know yet hold at least one bit for each element.
_UNKNOWN_BLOCK: Final = (8, 1)
_TYPE_LIMIT: Final = 256


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself; texts and lists that are long are None."""

    values: dict[str, Value]
    tensors: int
    parameters: int
    file_size: int


def read_header(path: Path) -> Header:
    """Read and check the header of one GGUF file.

    Raises:
        InvalidModelFileError: It is missing, no GGUF file, truncated or absurd; the message
            names the file and what is wrong.
    """
    try:
        # A pipe or device in a model's place would block or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise refused(path, "it is no regular file")
        with path.open("rb", buffering=1 << 20) as file:
            return _Reader(path, file).header()
    except FileNotFoundError as error:
        raise refused(path, "it does not exist") from error
    except (OSError, ValueError) as error:
        raise refused(path, f"it cannot be read ({error})") from error


def refused(path: Path, reason: str) -> InvalidModelFileError:
    """Return the error that names a file and what is wrong with it."""
    name = "".join(letter if letter.isprintable() else "?" for letter in path.name)[:200]
    return InvalidModelFileError(f"The model file {name} cannot be used: {reason}.")


class _Reader:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._left = self._size

    def header(self) -> Header:
        self._check_magic()
        tensors, entries = self._u64(), self._u64()
        # The least that a tensor and an entry can take.
        self._check_count("tensors", tensors, 24, MAX_ENTRIES)
        self._check_count("metadata entries", entries, 13, MAX_ENTRIES)
        values = self._values(entries)
        parameters = self._tensors(tensors, _alignment(self._path, values))
        return Header(values, tensors, parameters, self._size)

    def _check_magic(self) -> None:
        magic = self._take(4) if self._left >= 4 else b""
        if magic != b"GGUF":
            raise self._refused("it is no GGUF file")
        version = self._u32()
        if version in (2 << 24, 3 << 24):
            raise self._refused("it is a big-endian GGUF file")
        if version not in (2, 3):
            raise self._refused(f"its GGUF version is {version}, and only 2 and 3 are known")

    def _values(self, entries: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for _ in range(entries):
            key = self._text(self._length("a metadata key", MAX_KEY))
            if key in values:
                raise self._refused(f"its metadata has {key[:100]!r} twice")
            values[key] = self._value(self._u32(), key)
        return values

    def _value(self, kind: int, key: str) -> Value:
        if kind in _SCALARS:
            return self._scalar(kind)
        if kind == _STRING:
            length = self._length(f"the value of {key[:100]!r}", self._left)
            if length <= KEPT_STRING:
                return self._text(length)
            self._skip(length)
            return None
        if kind == _ARRAY:
            return self._array(self._u32(), key)
        raise self._refused(f"its metadata {key[:100]!r} has the unknown type {kind}")

    def _scalar(self, kind: int) -> int | float | bool:
        form = _SCALARS[kind]
        value: int | float | bool = form.unpack(self._take(form.size))[0]
        return value

    def _array(self, kind: int, key: str) -> tuple[int, ...] | None:
        count = self._u64()
        what = f"entries in {key[:100]!r}"
        if kind == _STRING:
            self._check_count(what, count, 8, MAX_STRINGS)
            for _ in range(count):
                self._skip(self._length(what, self._left))
            return None
        if kind not in _SCALARS:
            raise self._refused(f"its metadata {key[:100]!r} is a list of the unknown type {kind}")
        form = _SCALARS[kind]
        self._check_count(what, count, form.size, self._left)
        if kind in _INTEGERS and count <= KEPT_LIST:
            values = struct.unpack(f"<{count}{form.format[1:]}", self._take(count * form.size))
            return tuple(int(value) for value in values)
        self._skip(count * form.size)
        return None

    def _tensors(self, count: int, alignment: int) -> int:
        names: set[str] = set()
        parameters = end = 0
        for _ in range(count):
            name = self._text(self._length("a tensor's name", MAX_KEY))
            if name in names:
                raise self._refused(f"it has the tensor {name[:100]!r} twice")
            names.add(name)
            elements, size, offset = self._tensor(name)
            if offset % alignment:
                raise self._refused(f"its tensor {name[:100]!r} begins between two aligned places")
            parameters += elements
            end = max(end, offset + size)
        start = -(-(self._size - self._left) // alignment) * alignment
        if end and start + end > self._size:
            raise self._refused(
                f"it is truncated: its tensors need {start + end} bytes and it has {self._size}"
            )
        return parameters

    def _tensor(self, name: str) -> tuple[int, int, int]:
        dimensions = self._u32()
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise self._refused(f"its tensor {name[:100]!r} has {dimensions} dimensions")
        shape = [self._u64() for _ in range(dimensions)]
        kind, offset = self._u32(), self._u64()
        elements = math.prod(shape)
        if not 0 < elements < 1 << 63:
            raise self._refused(f"its tensor {name[:100]!r} has the absurd shape {shape}")
        if kind >= _TYPE_LIMIT:
            raise self._refused(f"its tensor {name[:100]!r} has the unknown type {kind}")
        block, size = BLOCKS.get(kind, _UNKNOWN_BLOCK)
        if kind in BLOCKS and shape[0] % block:
            raise self._refused(f"its tensor {name[:100]!r} has rows that are no whole blocks")
        return elements, elements // block * size, offset

    def _check_count(self, what: str, count: int, smallest: int, limit: int) -> None:
        if count > limit or count * smallest > self._left:
            raise self._refused(
                f"it claims {count} {what}, and there is room for"
                f" {min(limit, self._left // smallest)} at most"
            )

    def _length(self, what: str, limit: int) -> int:
        length = self._u64()
        if length > limit or length > self._left:
            raise self._refused(f"it is truncated or damaged: {what} would be {length} bytes long")
        return length

    def _u32(self) -> int:
        return int(_U32.unpack(self._take(4))[0])

    def _u64(self) -> int:
        return int(_U64.unpack(self._take(8))[0])

    def _text(self, length: int) -> str:
        return self._take(length).decode(errors="replace")

    def _skip(self, length: int) -> None:
        if length > KEPT_STRING:
            self._left -= length
            self._file.seek(length, os.SEEK_CUR)
        else:
            self._take(length)

    def _take(self, length: int) -> bytes:
        data = self._file.read(length) if length <= self._left else b""
        if len(data) < length:
            raise self._refused("it is truncated: it ends in the middle of its header")
        self._left -= length
        return data

    def _refused(self, reason: str) -> InvalidModelFileError:
        return refused(self._path, reason)


def _alignment(path: Path, values: dict[str, Value]) -> int:
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise refused(path, f"its alignment is {alignment!r}")
    if alignment & (alignment - 1):
        raise refused(path, f"its alignment is {alignment}, which is no power of two")
    return alignment
