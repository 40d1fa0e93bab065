"""Keys of the response cache: one for all requests that must have the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

# How an answer travels and who asks; everything else, known to us or not, can change the answer.
_NO_MATTER = frozenset({"stream", "stream_options", "user", "metadata", "cache"})
_KEY_BYTES = 20


def cache_key(
    content: Mapping[str, Any], *, tenant: str, secret: bytes, model_digest: str = ""
) -> str:
    """Return the key of a request: a keyed hash, so that a key tells nothing about a prompt.

    A field that is null counts as absent. A default that is spelled out makes another key, as
    the default may differ between engines.

    Args:
        content: The decoded body (JSON types only).
        tenant: Whose answer it is; tenants never share one.
        secret: At least 16 bytes; up to 64 are used.
        model_digest: What tells apart two models of one name, where it is known.

    Returns:
        40 hexadecimal digits.
    """
    matter = {
        name: value
        for name, value in content.items()
        if value is not None and name not in _NO_MATTER
    }
    canonical = orjson.dumps([tenant, model_digest, matter], option=orjson.OPT_SORT_KEYS)
    return blake2b(canonical, key=secret[:64], digest_size=_KEY_BYTES).hexdigest()


def is_key(text: str) -> bool:
    """Tell whether a text from outside has the form of a key."""
    return len(text) == 2 * _KEY_BYTES and all(digit in "0123456789abcdef" for digit in text)
