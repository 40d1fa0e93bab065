"""The response cache: answers by key in memory, bounded by bytes and by age."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from llmlab.cache.keys import cache_key
from llmlab.protocol.lab import CacheStats
from llmlab.types import JsonValue

# What an entry costs beside its body and key, roughly: objects, hash table, list links.
_OVERHEAD = 400


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer as it was given.

    Attributes:
        body: The whole answer as JSON, or (``stream``) the recorded server-sent events.
        stream: Whether ``body`` is a recorded stream.
        node: Name of the node that generated it.
    """

    body: bytes
    stream: bool = False
    node: str = ""

    @property
    def value(self) -> JsonValue:
        """The decoded body of a whole answer."""
        value: JsonValue = orjson.loads(self.body)
        return value


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: CachedAnswer
    expires_at: float
    size: int


class ResponseCache:
    """Answers by key, the least recently used one evicted first.

    Belongs to one event loop; it never waits and takes no lock.

    Args:
        max_bytes: Memory for answers; one that is larger is not kept.
        ttl: Life of an answer in seconds, where :meth:`put` gives none.
        secret: Secret of the keyed hash behind the keys.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        max_bytes: int,
        ttl: float,
        secret: bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.secret = secret
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._hits = self._misses = self._coalesced = self._evictions = self._expired = 0

    def key(self, content: Mapping[str, Any], *, tenant: str = "", model_digest: str = "") -> str:
        """Return the key of a decoded body; see :func:`cache_key`."""
        return cache_key(content, tenant=tenant, secret=self.secret, model_digest=model_digest)

    def get(
        self,
        prompt: str,
        model: str,
        *,
        request: Mapping[str, Any] | None = None,
        tenant: str = "",
    ) -> CachedAnswer | None:
        """Return the answer to a prompt, if there is a live one.

        Args:
            prompt: The text.
            model: Name of the model.
            request: Everything else that can change the answer (temperature, tools, ...).
            tenant: Who asks.
        """
        return self.get_key(self.key(_content(prompt, model, request), tenant=tenant))

    def put(
        self,
        prompt: str,
        model: str,
        response: CachedAnswer | JsonValue,
        ttl: float | None = None,
        *,
        request: Mapping[str, Any] | None = None,
        tenant: str = "",
    ) -> None:
        """Keep the answer to a prompt; arguments as :meth:`get`.

        Args:
            prompt: The text.
            model: Name of the model.
            response: The answer; a JSON value becomes the body of one.
            ttl: Its life in seconds; the cache's own without it.
            request: Everything else that can change the answer.
            tenant: Who asked.
        """
        if not isinstance(response, CachedAnswer):
            response = CachedAnswer(orjson.dumps(response))
        self.put_key(self.key(_content(prompt, model, request), tenant=tenant), response, ttl)

    def get_key(self, key: str) -> CachedAnswer | None:
        """Return the live answer under a key, which is now the most recently used one."""
        entry = self._entries.get(key)
        if entry is not None and entry.expires_at <= self._clock():
            self._drop(key)
            self._expired += 1
            entry = None
        if entry is None:
            self._misses += 1
            return None
        self._entries.move_to_end(key)
        self._hits += 1
        return entry.answer

    def put_key(self, key: str, answer: CachedAnswer, ttl: float | None = None) -> None:
        """Keep an answer under a key, in place of an older one."""
        self.delete_key(key)
        size = len(answer.body) + len(key) + _OVERHEAD
        life = self._ttl if ttl is None else ttl
        if size > self._max_bytes or life <= 0:
            return
        self._entries[key] = _Entry(answer, self._clock() + life, size)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
            self._evictions += 1

    def delete_key(self, key: str) -> bool:
        """Forget the answer under a key; tell whether there was one."""
        known = key in self._entries
        if known:
            self._drop(key)
        return known

    def clear(self) -> int:
        """Forget all answers and return how many there were; the counters go on."""
        count = len(self._entries)
        self._entries.clear()
        self._bytes = 0
        return count

    def count_coalesced(self) -> None:
        """Count a request that was answered by another one's generation."""
        self._coalesced += 1

    def get_stats(self) -> CacheStats:
        """Return the counters since the start, and what is kept now."""
        asked = self._hits + self._misses
        return CacheStats(
            entries=len(self._entries),
            bytes=self._bytes,
            max_bytes=self._max_bytes,
            hits=self._hits,
            misses=self._misses,
            coalesced=self._coalesced,
            evictions=self._evictions,
            expired=self._expired,
            hit_rate=self._hits / asked if asked else 0.0,
        )

    def _drop(self, key: str) -> None:
        self._bytes -= self._entries.pop(key).size


def _content(prompt: str, model: str, request: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**(request or {}), "prompt": prompt, "model": model}
