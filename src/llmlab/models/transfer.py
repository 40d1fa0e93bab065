"""Brings a large file over HTTP to disk, and goes on where it was broken off, in whatever process.

The Hub's own library starts anew when a download was ended with its program.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llmlab.errors import ConflictError, InvalidModelFileError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

# Attempts in a row that bring nothing before it gives up.
ATTEMPTS = 5
_FIRST_PAUSE = 0.5
_SILENCE = 30.0
_BUSY = (408, 429, 500, 502, 503, 504)


def bring(url: str, target: Path, sha256: str, report: Callable[[int], None] | None = None) -> None:
    """Download a file; what a former call left unfinished is used.

    Args:
        url: Where it is.
        target: Where it goes; replaced at once, when all of it has arrived.
        sha256: What its content must have; not checked if empty.
        report: Called with the bytes that have arrived.

    Raises:
        ConflictError: Another process brings this very file.
        InvalidModelFileError: What arrived is not what was announced.
        HTTPError: Of the Hub's library; the server refuses, or the connection breaks again and
            again.
    """
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target, sha256)
    try:
        with FileLock(f"{part}.lock", timeout=0):
            _fill(url, part, report or (lambda done: None))
            _check(target, part, sha256)
            part.replace(target)
            with contextlib.suppress(OSError):
                # Windows keeps what is open.
                Path(f"{part}.lock").unlink()
    except Timeout as error:
        raise ConflictError(f"{target.name} is being fetched by another command.") from error


def arrived(target: Path, sha256: str) -> int:
    """Return the bytes of an unfinished download that are here."""
    return _size(_part(target, sha256))


def has_digest(path: Path, sha256: str) -> bool:
    """Whether a file is there and has this SHA-256 (any, if it is empty)."""
    if not path.is_file():
        return False
    if not sha256:
        return True
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256


def _part(target: Path, sha256: str) -> Path:
    # Half a file of another revision must not be continued.
    return target.with_name(f"{target.name}.{sha256[:12]}.part")


def _fill(url: str, part: Path, report: Callable[[int], None]) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    http_error: type[Exception] = HfHubHTTPError.__bases__[0]
    failures = 0
    while True:
        before = _size(part)
        try:
            _receive(url, part, before, report)
        except http_error as error:
            failures = 0 if _size(part) > before else failures + 1
            final = isinstance(error, HfHubHTTPError) and not _is_busy(error)
            if final or failures >= ATTEMPTS:
                raise
            time.sleep(_FIRST_PAUSE * 2**failures)
        else:
            return


def _receive(url: str, part: Path, before: int, report: Callable[[int], None]) -> None:
    from huggingface_hub import get_session
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
    )

    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if before:
        headers["Range"] = f"bytes={before}-"
    with get_session().stream("GET", url, headers=headers, timeout=_SILENCE) as response:
        if before and response.status_code == 416:
            # There is nothing behind what is here already.
            return
        hf_raise_for_status(response)
        continued = response.status_code == 206
        done = before if continued else 0
        with part.open("ab" if continued else "wb") as file:
            for piece in response.iter_raw():
                file.write(piece)
                done += len(piece)
                report(done)


def _check(target: Path, part: Path, sha256: str) -> None:
    if not has_digest(part, sha256):
        # It would be continued for ever.
        part.unlink(missing_ok=True)
        raise InvalidModelFileError(
            f"{target.name} arrived damaged: its SHA-256 is not the one announced. Fetch it again."
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_busy(error: HfHubHTTPError) -> bool:
    return error.response is not None and error.response.status_code in _BUSY
