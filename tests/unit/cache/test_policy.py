"""Who asks for a new answer gets one."""

from __future__ import annotations

from typing import Any

import pytest

from llmlab.cache.policy import CachePolicy, cache_policy

ALL = CachePolicy(read=True, write=True)
FRESH = CachePolicy(read=False, write=True)
NONE = CachePolicy(read=False, write=False)


@pytest.mark.parametrize(
    ("content", "header", "policy"),
    [
        ({}, None, ALL),
        ({"n": 1, "cache": True, "temperature": 2}, "max-age=60", ALL),
        ({"cache": None, "n": None}, "", ALL),
        ({"cache": False}, None, NONE),
        ({"n": 2}, None, NONE),
        ({}, "No-Store", NONE),
        ({}, "private, no-cache", FRESH),
        ({}, "max-age=0", FRESH),
        ({"cache": False}, "no-cache", NONE),
    ],
)
def test_policy(content: dict[str, Any], header: str | None, policy: CachePolicy) -> None:
    assert cache_policy(content, header) == policy
