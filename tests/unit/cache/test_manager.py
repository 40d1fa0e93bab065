"""The cache is bounded by bytes and age, and counts."""

from __future__ import annotations

from llmlab.cache.manager import CachedAnswer, ResponseCache

SECRET = b"0123456789abcdef"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(max_bytes: int = 100_000, ttl: float = 60) -> tuple[ResponseCache, Clock]:
    clock = Clock()
    return ResponseCache(max_bytes, ttl, SECRET, clock), clock


def test_gives_back_what_was_put() -> None:
    cache, _ = make()
    assert cache.get("hi", "m") is None
    cache.put("hi", "m", "hello")
    answer = cache.get("hi", "m")
    assert answer is not None
    assert answer.value == "hello"
    for other in (("hi", "n"), ("ho", "m")):
        assert cache.get(*other) is None
    assert cache.get("hi", "m", request={"temperature": 1}) is None
    assert cache.get("hi", "m", tenant="t") is None
    stats = cache.get_stats()
    assert (stats.entries, stats.hits, stats.misses, stats.hit_rate) == (1, 1, 5, 1 / 6)


def test_keeps_answers_as_they_are() -> None:
    cache, _ = make()
    answer = CachedAnswer(b"data: [DONE]\n\n", stream=True, node="box")
    cache.put("hi", "m", answer, request={"seed": 1})
    assert cache.get("hi", "m", request={"seed": 1}) is answer


def test_answers_expire() -> None:
    cache, clock = make(ttl=60)
    cache.put("hi", "m", "a")
    cache.put("ho", "m", "b", ttl=120)
    clock.now = 60
    assert cache.get("hi", "m") is None
    assert cache.get("ho", "m") is not None
    assert cache.get_stats().expired == 1
    cache.put("hi", "m", "a", ttl=0)
    assert cache.get("hi", "m") is None


def test_the_least_recently_used_goes_first() -> None:
    cache, _ = make(max_bytes=4000)
    for name in "abc":
        cache.put_key(name, CachedAnswer(b"x" * 800))
    cache.get_key("a")
    cache.put_key("d", CachedAnswer(b"x" * 800))
    assert cache.get_key("b") is None
    assert all(cache.get_key(name) for name in "acd")
    stats = cache.get_stats()
    assert stats.evictions == 1
    assert stats.bytes <= 4000


def test_a_huge_answer_evicts_nobody() -> None:
    cache, _ = make(max_bytes=4000)
    cache.put_key("a", CachedAnswer(b"x"))
    cache.put_key("b", CachedAnswer(b"x" * 5000))
    assert cache.get_key("a") is not None
    assert cache.get_key("b") is None


def test_bytes_are_counted_right() -> None:
    cache, _ = make()
    for size in (10, 2000, 5):
        cache.put_key("a", CachedAnswer(b"x" * size))
    cache.put_key("b", CachedAnswer(b"y"))
    assert cache.delete_key("a")
    assert not cache.delete_key("a")
    assert cache.clear() == 1
    assert cache.get_stats().bytes == 0
    assert cache.get_stats().entries == 0


def test_counts_shared_generations() -> None:
    cache, _ = make()
    cache.count_coalesced()
    assert cache.get_stats().coalesced == 1
