"""Structured logging: one JSON object a line, secrets filtered, files rotated."""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
import threading
from pathlib import Path
from typing import Any

import orjson

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_SECRET = re.compile(
    r"(?i)(bearer\s+|(?:api[_-]?key|secret|token|password|authorization)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)"
    r"[^\s\"',;&]{6,}|\b(?:sk|lab|node)-[A-Za-z0-9_-]{16,}"
)
_PASSWORD = re.compile(r"://[^@/\s]*@")
_known_secrets: set[str] = set()
_lock = threading.Lock()


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module; fields travel in ``extra``."""
    return logging.getLogger(name)


def hide(secret: str) -> None:
    """Never show this value in a log line, whatever it is part of."""
    if len(secret) >= 6:
        with _lock:
            _known_secrets.add(secret)


def without_password(text: str) -> str:
    """Replace what stands before the ``@`` of an address by ``***``."""
    return _PASSWORD.sub("://***@", text)


def redact(text: str) -> str:
    """Replace everything that looks like a secret, or is a known one, by ``***``."""
    text = without_password(text)
    for secret in tuple(_known_secrets):
        text = text.replace(secret, "***")
    return _SECRET.sub(lambda match: f"{match.group(1) or ''}***", text)


class JsonFormatter(logging.Formatter):
    """A record as one JSON line: time (Unix seconds), level, logger, message, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline and without secrets."""
        line: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return redact(orjson.dumps(line, default=str).decode())


class _ConsoleFormatter(logging.Formatter):
    """A record as one line to read: ``WARNING: not in the lab (reason: it refused)``."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        shown = ", ".join(f"{key}: {value}" for key, value in fields.items())
        message = super().formatMessage(record)
        return f"{message} ({shown})" if shown else message

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure(
    component: str, *, folder: Path | None, level: str = "INFO", console: bool = True
) -> None:
    """Send all log records of this process to a rotated file and to stderr.

    Args:
        component: Name of the file (``<component>.log``).
        folder: Where the file lives; None for no file.
        level: Lowest level that is kept.
        console: Whether warnings and worse are shown on stderr too.
    """
    handlers: list[logging.Handler] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.RotatingFileHandler(
            folder / f"{component}.log", maxBytes=10_000_000, backupCount=3, encoding="utf-8"
        )
        file.setFormatter(JsonFormatter())
        handlers.append(file)
    if console:
        stream = logging.StreamHandler(sys.stderr)
        stream.setLevel(logging.WARNING)
        stream.setFormatter(_ConsoleFormatter("%(levelname)s: %(message)s"))
        handlers.append(stream)
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    for noisy in ("httpx", "httpcore", "uvicorn", "websockets", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
