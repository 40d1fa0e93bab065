"""Tools, formats and content parts are refused by name before an engine chokes on them."""

from __future__ import annotations

from typing import Any

import pytest

from llmlab.errors import InvalidRequestError
from llmlab.protocol.openai import ChatCompletionBody, chat_request, check

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FUNCTION: dict[str, Any] = {"name": "add", "parameters": {"type": "object"}, "strict": True}


@pytest.mark.parametrize(
    "good",
    [
        {"tools": [{"type": "function", "function": FUNCTION}]},
        {"tools": [{"type": "function", "function": {"name": "a.b"}}], "tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "add"}}},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}},
        {"logit_bias": {"5": -100}},
    ],
)
def test_what_is_right_is_passed_on_as_it_is(good: dict[str, Any]) -> None:
    request = chat_request(check(ChatCompletionBody, CHAT | good))
    assert request.options == good


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("tools", [{}]),
        ("tools", [{"type": "function"}]),
        ("tools", [{"type": "function", "function": "add"}]),
        ("tools", [{"type": {"a": 1}, "function": FUNCTION}]),
        ("tools", [{"type": "function", "function": {"name": 5}}]),
        ("tools", [{"type": "function", "function": {"name": ""}}]),
        ("tools", [{"type": "function", "function": {"name": "a b"}}]),
        ("tools", [{"type": "function", "function": FUNCTION | {"parameters": []}}]),
        ("tools", [{"type": "function", "function": FUNCTION | {"description": 5}}]),
        ("tool_choice", "any"),
        ("tool_choice", {"type": "function"}),
        ("tool_choice", {"type": "function", "function": {"name": "a" * 200}}),
        ("response_format", {}),
        ("response_format", {"type": "xml"}),
        ("response_format", {"type": ["json_object"]}),
        ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x"}}),
        ("logit_bias", {"5": 101}),
        ("messages", [{"role": "user", "content": [{"text": "hi"}]}]),
        ("messages", [{"role": "user", "content": [{"type": "text"}]}]),
    ],
)
def test_what_is_wrong_is_named(param: str, value: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check(ChatCompletionBody, CHAT | {param: value})
    assert (caught.value.param or "").startswith(param)
