"""Atomic writes, and paths that stay inside a folder: the only place for both."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from llmlab.errors import InvalidRequestError


def write_atomic(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: The file; its folder is made when it is missing.
        data: Content; text is encoded as UTF-8.
        mode: Permission bits of the file, set before it has its name.

    Raises:
        OSError: The disk is full or the folder cannot be written; the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = data.encode() if isinstance(data, str) else data
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        Path(name).chmod(mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def inside(folder: Path, relative: str) -> Path:
    """Resolve a path given by somebody else so that it cannot leave a folder.

    Args:
        folder: The folder to stay in.
        relative: A relative path with forward slashes.

    Returns:
        The resolved path below ``folder``.

    Raises:
        InvalidRequestError: The path is absolute, climbs out, or has a character that
            some file system reads differently.
    """
    parts = relative.split("/")
    refused = any(part in ("", ".", "..") or len(part) > 255 for part in parts)
    if refused or any(character in relative for character in "\\\0:~%"):
        raise InvalidRequestError(f"The path {relative[:200]!r} is not a plain relative path.")
    root = folder.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root):
        raise InvalidRequestError(f"The path {relative[:200]!r} leaves its folder.")
    return path


def load_or_create_secret(path: Path, prefix: str) -> str:
    """Return the secret in a file, made on first use with mode 0600.

    Args:
        path: File that holds the secret alone.
        prefix: Word that a new secret starts with, so that it is recognised in a text.
    """
    try:
        if secret := path.read_text(encoding="utf-8").strip():
            return secret
    except FileNotFoundError:
        pass
    secret = f"{prefix}-{secrets.token_urlsafe(32)}"
    write_atomic(path, secret + "\n", mode=0o600)
    return secret
