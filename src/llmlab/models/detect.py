"""What this machine has already: GGUF files in the usual folders, and servers on loopback.

Both are looked at with bounds and deadlines, since a folder may be a network drive and a port may
be anybody's. Nothing is opened but regular files, and no folder is entered through a link.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmlab.engines.base import Engine, EngineModel
from llmlab.engines.transport import Transport
from llmlab.errors import (
    DeadlineError,
    InvalidModelFileError,
    InvalidRequestError,
    LabError,
    NodeUnreachableError,
)
from llmlab.log import get_logger
from llmlab.models.catalog import inspect_file
from llmlab.models.launching import dial
from llmlab.models.records import (
    LAUNCHED_ENGINE,
    ModelRecord,
    check_key,
    key_of,
    part_number,
    parts_of,
)
from llmlab.settings import Settings

SERVER_DEADLINE = 0.5
FOLDERS_DEADLINE = 3.0
# Headers with large vocabularies take a while; what is not read now is read when it is loaded.
INSPECTION_SECONDS = 1.0
MOST_ENTRIES = 50_000
MOST_FILES = 1000
MOST_MODELS = 1000
DEEPEST = 8

USUAL_FOLDERS = (
    ".lmstudio/models",
    ".cache/lm-studio/models",
    ".cache/llama.cpp",
    "Library/Caches/llama.cpp",
    ".cache/huggingface/hub",
    "models",
)
_SHA256 = re.compile(r"[0-9a-f]{64}")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server that may be there: the engine that speaks to it, and its address."""

    engine: str
    url: str


USUAL_SERVERS = (
    Candidate("ollama", "http://127.0.0.1:11434"),
    Candidate("openai", "http://127.0.0.1:8080"),
    Candidate("openai", "http://127.0.0.1:1234"),
    Candidate("openai", "http://127.0.0.1:8000"),
)


@dataclass(frozen=True, slots=True)
class DetectedServer:
    """A server that answered, and its models."""

    engine: str
    url: str
    models: tuple[ModelRecord, ...]


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found.

    Attributes:
        files: Models in GGUF files.
        servers: Servers of others, with their models.
        labs: Addresses of other labs; they are no engines, nodes join them.
    """

    files: tuple[ModelRecord, ...] = ()
    servers: tuple[DetectedServer, ...] = ()
    labs: tuple[str, ...] = ()

    def records(self) -> list[ModelRecord]:
        """Return all models, files first."""
        return [*self.files, *(model for server in self.servers for model in server.models)]


async def detect(
    settings: Settings,
    skip_instance_ids: Collection[str] = (),
    *,
    user_home: Path | None = None,
    candidates: Sequence[Candidate] = USUAL_SERVERS,
) -> Detected:
    """Look for models on this machine; takes a few seconds at most and never raises.

    Args:
        settings: Further folders, and whether to look at all.
        skip_instance_ids: Our own servers, which are not to be found.
        user_home: Where the usual folders are; the user's home without it.
        candidates: Servers to look for.
    """
    if not settings.detect:
        return Detected()
    folders = search_folders(settings, user_home or Path.home())
    files, answers = await asyncio.gather(
        _search(folders),
        asyncio.gather(*(_probe(candidate, skip_instance_ids) for candidate in candidates)),
    )
    return Detected(
        files=tuple(files),
        servers=tuple(answer for answer in answers if isinstance(answer, DetectedServer)),
        labs=tuple(answer for answer in answers if isinstance(answer, str)),
    )


# Files ------------------------------------------------------------------------------------


async def _search(folders: Sequence[Path]) -> list[ModelRecord]:
    try:
        # The search bounds itself; only a network drive that hangs is cut off here.
        async with asyncio.timeout(2 * FOLDERS_DEADLINE):
            return await asyncio.to_thread(find_files, folders)
    except TimeoutError:
        _log.warning("search for models hangs", extra={"folders": [str(f) for f in folders]})
        return []


def search_folders(settings: Settings, user_home: Path) -> list[Path]:
    """Return the folders to look into: the settings' first, then the usual ones."""
    given = [Path(folder).expanduser() for folder in settings.model_folders]
    return [*given, *(user_home / folder for folder in USUAL_FOLDERS)]


def find_files(folders: Sequence[Path], *, deadline: float = FOLDERS_DEADLINE) -> list[ModelRecord]:
    """Return the models in GGUF files below some folders; blocks.

    Args:
        folders: Where to look; missing ones are skipped.
        deadline: Seconds after which what was found so far is all.
    """
    started = time.monotonic()
    records: list[ModelRecord] = []
    seen: set[Path] = set()
    for path in _gguf_files(folders, started + deadline):
        real = path.resolve()
        if real in seen:
            continue
        seen.add(real)
        late = time.monotonic() - started > INSPECTION_SECONDS
        record = _glance(path) if late else _inspect(path)
        if record is not None:
            records.append(dataclasses.replace(record, digest=_blob_digest(real)))
        if len(records) >= MOST_FILES:
            break
    return records


def _gguf_files(folders: Sequence[Path], deadline: float) -> Iterator[Path]:
    waiting = [(folder, 0) for folder in reversed(folders)]
    looked_at = 0
    while waiting:
        folder, depth = waiting.pop()
        for entry in _entries(folder):
            looked_at += 1
            if looked_at > MOST_ENTRIES or time.monotonic() > deadline:
                _log.warning("search for models cut short", extra={"folder": str(folder)})
                return
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST:
                    waiting.append((Path(entry.path), depth + 1))
            elif _is_model_file(entry):
                yield Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            # Bounded here too: one folder may hold millions.
            listed = [entry for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False)]
    except OSError:
        return []
    return sorted(listed, key=lambda entry: entry.name)


def _is_model_file(entry: os.DirEntry[str]) -> bool:
    name = entry.name.lower()
    # The eyes of a multimodal model are a file of their own, and no model by themselves.
    if not name.endswith(".gguf") or "mmproj" in name:
        return False
    try:
        regular = stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False
    path = Path(entry.path)
    return regular and part_number(path) == 1 and all(part.is_file() for part in parts_of(path))


def _inspect(path: Path) -> ModelRecord | None:
    try:
        return inspect_file(path, key_of(path))
    except InvalidModelFileError as error:
        _log.info("model file skipped", extra={"reason": error.message})
        return None


def _glance(path: Path) -> ModelRecord | None:
    try:
        with path.open("rb") as file:
            known = file.read(4) == b"GGUF"
        size = sum(part.stat().st_size for part in parts_of(path))
    except OSError:
        return None
    if not known:
        return None
    return ModelRecord(key_of(path), LAUNCHED_ENGINE, path, size_bytes=size, embeddings=True)


def _blob_digest(real: Path) -> str:
    # The Hugging Face cache names a file's content by its SHA-256.
    return real.name if real.parent.name == "blobs" and _SHA256.fullmatch(real.name) else ""


# Servers ----------------------------------------------------------------------------------


async def _probe(candidate: Candidate, skip: Collection[str]) -> DetectedServer | str | None:
    """Return a server with its models, the address of another lab, or None."""
    engine = _engine(candidate)
    try:
        instance = await _instance_id(candidate.url)
        if instance is not None:
            return None if instance in skip else candidate.url
        async with asyncio.timeout(SERVER_DEADLINE):
            models = await engine.models()
    except (LabError, TimeoutError, OSError):
        return None
    finally:
        await engine.aclose()
    return DetectedServer(
        candidate.engine,
        candidate.url,
        tuple(_remote_record(candidate, model) for model in models[:MOST_MODELS]),
    )


def _engine(candidate: Candidate) -> Engine:
    return dial(ModelRecord("probe", candidate.engine, url=candidate.url), SERVER_DEADLINE)


async def _instance_id(url: str) -> str | None:
    """Return the id by which a lab's server tells itself; None for anybody else's.

    Raises:
        LabError: Nobody answers there.
    """
    transport = Transport(url, timeout=SERVER_DEADLINE, connect_timeout=SERVER_DEADLINE)
    try:
        answer = await transport.json("GET", "/health")
    except (DeadlineError, NodeUnreachableError):
        raise
    except LabError:
        return None
    finally:
        await transport.aclose()
    instance = answer.get("instance_id")
    return instance if isinstance(instance, str) else None


def _remote_record(candidate: Candidate, model: EngineModel) -> ModelRecord:
    return ModelRecord(
        key=_remote_key(model.id),
        engine=candidate.engine,
        url=candidate.url,
        remote_name=model.id,
        digest=model.digest,
        size_bytes=model.size_bytes,
        context_length=model.context_length,
        embeddings=model.embeddings,
    )


def _remote_key(name: str) -> str:
    key = name.removesuffix(":latest")
    try:
        return check_key(key)
    except InvalidRequestError:
        # llama-server names a model by the path of its file.
        return key_of(Path(key.replace("\\", "/")))
