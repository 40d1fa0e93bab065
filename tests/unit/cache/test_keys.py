"""Requests that may have different answers have different keys."""

from __future__ import annotations

import pytest

from llmlab.cache.keys import cache_key, is_key

SECRET = b"0123456789abcdef"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def key(body: dict[str, object], tenant: str = "a", digest: str = "") -> str:
    return cache_key(body, tenant=tenant, secret=SECRET, model_digest=digest)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0},
        {"temperature": 1.0},
        {"top_p": 1},
        {"tools": []},
        {"response_format": {"type": "json_object"}},
        {"messages": [{"role": "system", "content": ""}, *BODY["messages"]]},
        {"model": "n"},
        {"n": 1},
        {"seed": 0},
        {"something_new": True},
    ],
)
def test_everything_that_matters_is_in_the_key(change: dict[str, object]) -> None:
    assert key(BODY | change) != key(BODY)


@pytest.mark.parametrize(
    "change",
    [
        {"stream": True},
        {"stream_options": {"include_usage": True}},
        {"user": "u"},
        {"metadata": {"a": "b"}},
        {"cache": True},
        {"stop": None},
    ],
)
def test_the_way_it_travels_is_not(change: dict[str, object]) -> None:
    assert key(BODY | change) == key(BODY)


def test_tenants_models_and_secrets_are_apart() -> None:
    assert key(BODY, tenant="b") != key(BODY)
    assert key(BODY, digest="d") != key(BODY)
    assert cache_key(BODY, tenant="a", secret=b"fedcba9876543210") != key(BODY)


def test_order_of_fields_does_not_matter() -> None:
    assert key(dict(reversed(BODY.items()))) == key(BODY)


def test_form() -> None:
    assert is_key(key(BODY))
    for wrong in ("", "../../etc/passwd", key(BODY).upper(), key(BODY)[1:], "g" * 40):
        assert not is_key(wrong)
