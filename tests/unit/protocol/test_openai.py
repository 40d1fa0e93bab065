"""OpenAI's bodies on their way in, and on to a server."""

import pytest

from llmlab.errors import InvalidRequestError
from llmlab.protocol import openai
from llmlab.types import GenerateRequest, Message

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def checked(**changes):
    return openai.check(openai.ChatCompletionBody, HELLO | changes)


def test_a_chat_body_becomes_a_request():
    body = checked(
        temperature=0, max_completion_tokens=5, stop=["x"], user="me", cache=False, stream=True
    )
    request = openai.chat_request(body)
    assert request.messages == (Message("user", "hi"),)
    assert request.operation == "chat"
    assert request.options == {"temperature": 0.0, "max_tokens": 5, "stop": ["x"]}


def test_options_that_nobody_knows_are_not_passed_on():
    body = checked(chat_template_kwargs={"x": 1}, grammar="root ::= x")
    assert openai.chat_request(body).options == {}


def test_a_request_survives_the_way_to_a_server():
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}]},
        {"role": "tool", "content": "2", "tool_call_id": "c"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "Ann"},
    ]  # fmt: skip
    request = openai.chat_request(checked(messages=messages, seed=1))
    body = openai.request_body(request)
    assert body["stream_options"] == {"include_usage": True}
    assert body["messages"][0] == {"role": "system", "content": "be brief"}
    again = openai.chat_request(openai.check(openai.ChatCompletionBody, body))
    assert again == request


def test_a_completion_body_becomes_a_request():
    body = openai.check(openai.CompletionBody, {"model": "m", "prompt": ["once"], "n": 2})
    request = openai.completion_request(body, model="other")
    assert request == GenerateRequest("other", prompt="once", options={"n": 2})
    assert request.operation == "completion"
    assert openai.request_body(request, stream=False) == {
        "model": "other",
        "prompt": "once",
        "n": 2,
    }


@pytest.mark.parametrize("changes", [{"echo": True}, {"suffix": "x"}, {"best_of": 3}])
def test_what_no_engine_does_is_refused_by_name(changes):
    body = openai.check(openai.CompletionBody, {"model": "m", "prompt": "once"} | changes)
    with pytest.raises(InvalidRequestError) as caught:
        openai.completion_request(body)
    assert caught.value.param == next(iter(changes))


def test_what_asks_for_nothing_is_no_option():
    content = {"model": "m", "prompt": "once", "echo": False, "suffix": "", "best_of": 1}
    request = openai.completion_request(openai.check(openai.CompletionBody, content))
    assert request.options == {}


def test_several_prompts_are_refused():
    body = openai.check(openai.CompletionBody, {"model": "m", "prompt": ["a", "b"]})
    with pytest.raises(InvalidRequestError, match="one prompt"):
        openai.completion_request(body)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"temperature": "0.5"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 100}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0"),
        ({"model": None}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"logit_bias": [1]}, "logit_bias"),
    ],
)
def test_a_wrong_field_is_named(changes, param):
    with pytest.raises(InvalidRequestError) as caught:
        checked(**changes)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b'{"a": NaN}', b"[" * 100_000, b'{"a":' * 100_000, b"\xff"]
)
def test_a_body_that_is_no_json_object_is_refused(body):
    with pytest.raises(InvalidRequestError):
        openai.parse_json(body)
