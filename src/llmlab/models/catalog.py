"""All models that this machine can serve: built in, added by the user, and found.

Added models live in ``models.json`` in the home folder. The file is read again when it changes,
so that ``llmlab models add`` reaches a worker that runs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from llmlab.engines.gguf import inspect_gguf
from llmlab.errors import (
    ConfigurationError,
    ConflictError,
    InvalidModelFileError,
    InvalidRequestError,
    ModelNotFoundError,
)
from llmlab.files import write_atomic
from llmlab.log import get_logger
from llmlab.models.records import LAUNCHED_ENGINE, ModelRecord, check_key, key_of, parts_of
from llmlab.protocol.mesh import ModelEntry

_log = get_logger(__name__)

BUILTIN_FOLDER = Path(__file__).parent / "builtin"
SHOWN_NAMES = 20


class ModelCatalog:
    """The models by name; thread-safe.

    A name belongs to the built-in model first, then to the added one, then to the one found.

    Args:
        home: Home folder of the lab.
        builtin: Folder of the models that come with the package.

    Raises:
        ConfigurationError: The list of added models is damaged.
    """

    def __init__(self, home: Path, *, builtin: Path | None = BUILTIN_FOLDER) -> None:
        self._file = home / "models.json"
        self._lock = threading.Lock()
        self._builtin = {record.key: record for record in _read_builtin(builtin)}
        self._added: dict[str, ModelRecord] = {}
        self._seen: tuple[int, ...] | None = None
        self._damage: ConfigurationError | None = None
        self._detected: dict[str, ModelRecord] = {}
        self._refresh()
        self._check_file()

    def get(self, key: str) -> ModelRecord:
        """Return a model by its name; ``name:latest`` and ``name`` are the same.

        Raises:
            ModelNotFoundError: There is none; the message names the ones that exist.
        """
        record = self._find(key) or self._find(key.removesuffix(":latest"))
        if record is None:
            raise ModelNotFoundError(_not_found(key, self._all()), param="model")
        return record

    def records(self) -> list[ModelRecord]:
        """Return all models."""
        return list(self._all().values())

    def entries(self, loaded: Collection[str] = ()) -> list[ModelEntry]:
        """Return all models as they travel; ``loaded`` names the ones in memory."""
        return [record.entry(loaded=record.key in loaded) for record in self.records()]

    def add(
        self,
        path: Path,
        key: str | None = None,
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> ModelRecord:
        """Take a GGUF file in; reads all of it for its digest.

        Args:
            path: The file; of a split model, the first part.
            key: Name for it; the file's own without it.
            on_progress: Called with the bytes that were read and how many there are.

        Raises:
            InvalidModelFileError: The file is missing, truncated, or no GGUF.
            ConflictError: The name belongs to another model.
        """
        file = path.expanduser().absolute()
        record = inspect_file(file, check_key(key or key_of(file)))
        taken = self._all().get(record.key)
        if taken is not None and taken.path != file and taken.source != "detected":
            raise ConflictError(
                f"The name {record.key} belongs to {taken.path}; give the new model another name."
            )
        record = dataclasses.replace(record, digest=digest_of(file, on_progress), source="added")
        with self._lock:
            self._refresh()
            self._check_file()
            self._write(self._added | {record.key: record})
        return record

    def remove(self, key: str) -> ModelRecord:
        """Forget an added model; its file stays.

        Raises:
            ModelNotFoundError: There is none of that name.
            ConflictError: It is built in or was found, so there is nothing to forget.
        """
        record = self.get(key)
        with self._lock:
            self._refresh()
            self._check_file()
            if record.key not in self._added:
                raise ConflictError(f"{record.key} was not added by hand ({record.source}).")
            self._write({k: v for k, v in self._added.items() if k != record.key})
        return record

    def set_detected(self, records: Iterable[ModelRecord]) -> None:
        """Replace what was found on this machine; names that are taken get a number."""
        found: dict[str, ModelRecord] = {}
        with self._lock:
            taken = self._added | self._builtin
            paths = {record.path.resolve() for record in taken.values() if record.path}
            for record in records:
                if record.path is None or record.path.resolve() not in paths:
                    key = _free_key(record, taken.keys() | found.keys())
                    found[key] = dataclasses.replace(record, key=key, source="detected")
            self._detected = found

    def learn(self, record: ModelRecord) -> None:
        """Keep what was learned of a found model when it was loaded (context, size)."""
        with self._lock:
            if record.key in self._detected:
                self._detected[record.key] = record

    def _find(self, key: str) -> ModelRecord | None:
        with self._lock:
            self._refresh()
            return self._builtin.get(key) or self._added.get(key) or self._detected.get(key)

    def _all(self) -> dict[str, ModelRecord]:
        with self._lock:
            self._refresh()
            return self._detected | self._added | self._builtin

    def _refresh(self) -> None:
        try:
            status = self._file.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            self._added, self._seen, self._damage = {}, None, None
            return
        if seen == self._seen:
            return
        self._seen, self._damage = seen, None
        try:
            self._added = {record.key: record for record in _read_added(self._file)}
        except ConfigurationError as error:
            # A worker that runs keeps what it knew; whoever wants to write is told.
            self._damage = error
            _log.warning("list of added models is damaged", extra={"reason": error.message})

    def _check_file(self) -> None:
        if self._damage is not None:
            raise self._damage

    def _write(self, added: dict[str, ModelRecord]) -> None:
        content = {"version": 1, "models": [record.to_dict() for record in added.values()]}
        write_atomic(self._file, json.dumps(content, indent=2) + "\n")
        self._refresh()


def inspect_file(path: Path, key: str) -> ModelRecord:
    """Return the record of a model file, all its parts checked; reads headers only.

    Raises:
        InvalidModelFileError: A part is missing, truncated, or no GGUF.
    """
    info = inspect_gguf(path)
    return ModelRecord(
        key=key,
        engine=LAUNCHED_ENGINE,
        path=path,
        size_bytes=info.file_size,
        context_length=info.context_length,
        embeddings=True,
    )


def digest_of(path: Path, on_progress: Callable[[int, int], None] | None = None) -> str:
    """Return the SHA-256 of a model's files, part after part; takes seconds per gigabyte.

    Args:
        path: The first file.
        on_progress: Called with the bytes that were read and how many there are.

    Raises:
        InvalidModelFileError: A file cannot be read.
    """
    total = hashlib.sha256()
    buffer = memoryview(bytearray(1 << 20))
    parts = parts_of(path)
    done, size = 0, sum(part.stat().st_size for part in parts if part.is_file())
    for part in parts:
        try:
            with part.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    total.update(buffer[:count])
                    done += count
                    if on_progress is not None:
                        on_progress(done, size)
        except OSError as error:
            raise InvalidModelFileError(f"{part} cannot be read: {error}.") from error
    return total.hexdigest()


def _read_builtin(folder: Path | None) -> list[ModelRecord]:
    if folder is None:
        return []
    manifests = sorted(folder.glob("*.json"))
    return [_builtin_record(path) for path in manifests if path.with_suffix(".gguf").is_file()]


def _builtin_record(manifest: Path) -> ModelRecord:
    weights = manifest.with_suffix(".gguf")
    try:
        values: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        return ModelRecord(
            key=check_key(values["name"]),
            engine=LAUNCHED_ENGINE,
            path=weights,
            digest=str(values["sha256"]),
            size_bytes=weights.stat().st_size,
            context_length=int(values["context_length"]),
            embeddings=True,
            demo=bool(values.get("demo", True)),
            source="builtin",
        )
    except (OSError, ValueError, KeyError, TypeError, InvalidRequestError) as error:
        raise ConfigurationError(
            f"{manifest} is damaged: {error!r}. Install the lab anew."
        ) from error


def _read_added(path: Path) -> list[ModelRecord]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        listed = content["models"]
        return [ModelRecord.from_dict(values) for values in listed]
    except (OSError, ValueError, KeyError, TypeError, ConfigurationError) as error:
        raise ConfigurationError(
            f"{path}, the list of added models, cannot be read: {error}. Repair or delete it."
        ) from error


def _free_key(record: ModelRecord, taken: Collection[str]) -> str:
    if record.key not in taken:
        return record.key
    named = record.key if record.engine == LAUNCHED_ENGINE else f"{record.key}@{record.engine}"
    candidates = (named, *(f"{named}-{number}" for number in range(2, 10_000)))
    return next(key for key in candidates if key not in taken)


def _not_found(key: str, models: Collection[str]) -> str:
    names = sorted(models)
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    exists = f"There are {shown}{more}." if names else "There are no models here yet."
    return (
        f"There is no model {key[:200]!r}. {exists} Fetch one with `llmlab models pull OWNER/NAME`,"
        " or add a file with `llmlab models add FILE`."
    )
