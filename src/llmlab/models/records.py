"""What is known of a model before it is loaded, and how it gets its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llmlab.errors import ConfigurationError, InvalidRequestError
from llmlab.protocol.mesh import ModelEntry

Source = Literal["builtin", "added", "detected"]

LAUNCHED_ENGINE = "llama_cpp"

_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}")


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model that can be served.

    Attributes:
        key: Its name in this lab.
        engine: Name of the engine that runs it.
        path: GGUF file (the first part of several), for a model that is launched.
        url: Server that has it, for a model that is dialled.
        remote_name: Its name at that server.
        digest: SHA-256 of the weights, or what the server says; empty while unknown.
        size_bytes: Bytes of the weights, 0 while unknown.
        context_length: Tokens that it was trained for, 0 while unknown.
        embeddings: Whether it gives embeddings.
        demo: Whether it is there to show the lab and not to be relied on.
        source: How it came into the catalog.
    """

    key: str
    engine: str
    path: Path | None = None
    url: str | None = None
    remote_name: str | None = None
    digest: str = ""
    size_bytes: int = 0
    context_length: int = 0
    embeddings: bool = False
    demo: bool = False
    source: Source = "detected"

    @property
    def served_name(self) -> str:
        """The name that its engine knows it by."""
        return self.remote_name or self.key

    def entry(self, *, loaded: bool = False) -> ModelEntry:
        """Return it as it travels to the coordinator and to clients."""
        return ModelEntry(
            id=self.key,
            engine=self.engine,
            digest=self.digest,
            context_length=self.context_length,
            size_bytes=self.size_bytes,
            embeddings=self.embeddings,
            loaded=loaded,
            demo=self.demo,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what a file keeps of an added model."""
        return {
            "key": self.key,
            "path": str(self.path),
            "digest": self.digest,
            "size_bytes": self.size_bytes,
            "context_length": self.context_length,
        }

    @classmethod
    def from_dict(cls, values: object) -> ModelRecord:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ConfigurationError: A field is missing or of the wrong type.
        """
        if not isinstance(values, dict):
            raise ConfigurationError(f"A model must be an object, not {values!r}.")
        try:
            return cls(
                key=check_key(values["key"]),
                engine=LAUNCHED_ENGINE,
                path=Path(values["path"]),
                digest=str(values.get("digest", "")),
                size_bytes=int(values.get("size_bytes", 0)),
                context_length=int(values.get("context_length", 0)),
                embeddings=True,
                source="added",
            )
        except (KeyError, TypeError, ValueError, InvalidRequestError) as error:
            raise ConfigurationError(f"The model {values!r} is not complete: {error}.") from error


def check_key(key: object) -> str:
    """Return the name if it can name a model.

    Raises:
        InvalidRequestError: It is no text, empty, too long or has odd characters.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key) or ".." in key:
        raise InvalidRequestError(
            f"{key!r} cannot name a model: use letters, digits and . _ : / @ + -, up to 200.",
            param="model",
        )
    return key


def key_of(path: Path) -> str:
    """Return the name that a model file gets: the file's, without its ending and part number."""
    stem = path.name.removesuffix(".gguf").removesuffix(".GGUF")
    stem = _PART.sub("", stem)
    return re.sub(r"[^A-Za-z0-9._:@+-]+", "-", stem).strip("-._:@+")[:200] or "model"


def parts_of(path: Path) -> list[Path]:
    """Return all files of a model; one, unless it is split (``-00001-of-00003.gguf``)."""
    match = _PART.search(path.stem)
    if match is None:
        return [path]
    base, count = path.stem[: match.start()], int(match.group(2))
    return [
        path.with_name(f"{base}-{number:05}-of-{count:05}{path.suffix}")
        for number in range(1, min(count, 1000) + 1)
    ]


def part_number(path: Path) -> int:
    """Return which part of a split model a file is; 1 for a model in one file."""
    match = _PART.search(path.stem)
    return int(match.group(1)) if match else 1
