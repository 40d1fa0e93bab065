"""Which requests read the cache, and which answers go into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """What one request wants of the response cache."""

    read: bool
    write: bool


_ALL = CachePolicy(read=True, write=True)
_NONE = CachePolicy(read=False, write=False)
_FRESH = CachePolicy(read=False, write=True)


def cache_policy(content: Mapping[str, Any], cache_control: str | None = None) -> CachePolicy:
    """Return what a request wants.

    ``"cache": false`` and ``Cache-Control: no-store`` leave the cache alone, as does ``n`` over
    1, which asks for different answers; ``no-cache`` asks for a new answer that replaces the
    stored one (RFC 9111, section 5.2.1).

    Args:
        content: The decoded body.
        cache_control: The request's Cache-Control header.
    """
    if content.get("cache") is False or (content.get("n") or 1) != 1:
        return _NONE
    if cache_control is None:
        return _ALL
    wishes = {wish.strip().lower() for wish in cache_control.split(",")}
    if "no-store" in wishes:
        return _NONE
    return _FRESH if wishes & {"no-cache", "max-age=0"} else _ALL
