"""OpenAI's bodies, in and out, held against the official package's own types."""

import orjson
import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llmlab.errors import ContextLengthError, EngineError, InvalidRequestError
from llmlab.protocol import openai
from llmlab.types import Chunk, GenerateRequest, Message, ToolCallDelta, Usage

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

ANSWER = [
    Chunk("Hel"),
    Chunk("lo", reasoning="hm"),
    Chunk(tool_calls=(ToolCallDelta(0, "call_1", "add", '{"a"'),)),
    Chunk(tool_calls=(ToolCallDelta(0, arguments=": 1}"),)),
    Chunk(finish_reason="tool_calls"),
    Chunk(usage=Usage(3, 2, 1)),
]


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


def test_stream_payloads_are_what_the_openai_package_expects():
    writer = openai.ChunkWriter("m", "chat", include_usage=True)
    payloads = [payload for chunk in ANSWER for payload in writer.payloads(chunk)]
    read = [ChatCompletionChunk.model_validate_json(payload, strict=True) for payload in payloads]
    assert read[0].choices[0].delta.role == "assistant"
    assert "".join(part.choices[0].delta.content or "" for part in read[:-1]) == "Hello"
    assert read[2].choices[0].delta.tool_calls[0].function.name == "add"
    assert read[-2].choices[0].finish_reason == "tool_calls"
    assert read[-1].choices == []
    assert read[-1].usage.total_tokens == 5
    assert len({part.id for part in read}) == 1


def test_usage_is_streamed_only_when_asked_for():
    writer = openai.ChunkWriter("m", "chat")
    assert writer.payloads(Chunk(usage=Usage(1, 1))) == []
    assert b"usage" not in writer.payloads(Chunk("x"))[0]


def test_a_whole_answer_is_what_the_openai_package_expects():
    body = openai.ChunkWriter("m", "chat").whole(ANSWER)
    answer = ChatCompletion.model_validate_json(body, strict=True)
    message = answer.choices[0].message
    assert message.content == "Hello"
    assert message.tool_calls[0].function.arguments == '{"a": 1}'
    assert answer.usage.prompt_tokens_details.cached_tokens == 1
    assert orjson.loads(body)["choices"][0]["message"]["reasoning_content"] == "hm"


def test_choices_are_kept_apart():
    chunks = [
        Chunk("a", 0), Chunk("x", 1), Chunk("b", 0),
        Chunk(index=1, finish_reason="stop"), Chunk(index=0, finish_reason="length"),
        Chunk(usage=Usage(1, 3)),
    ]  # fmt: skip
    answer = Completion.model_validate_json(openai.ChunkWriter("m", "completion").whole(chunks))
    assert [(one.text, one.finish_reason) for one in answer.choices] == [
        ("ab", "length"),
        ("x", "stop"),
    ]


def test_an_empty_answer_is_an_empty_string():
    body = openai.ChunkWriter("m", "chat").whole([Chunk(finish_reason="stop")])
    assert ChatCompletion.model_validate_json(body).choices[0].message.content == ""


def test_log_probabilities_are_put_together():
    token = {"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    chunks = [Chunk("a", logprobs={"content": [token]}), Chunk(finish_reason="stop")]
    answer = ChatCompletion.model_validate_json(openai.ChunkWriter("m", "chat").whole(chunks))
    assert answer.choices[0].logprobs.content[0].logprob == -0.5


@pytest.mark.parametrize("operation", ["chat", "completion"])
def test_what_is_written_can_be_read(operation):
    writer = openai.ChunkWriter("m", operation, include_usage=True)
    sent = [Chunk("a"), Chunk("b", finish_reason="stop"), Chunk(usage=Usage(1, 2))]
    read = [
        chunk
        for part in sent
        for payload in writer.payloads(part)
        for chunk in openai.read_chunks(payload)
    ]
    assert read == sent
    whole = openai.read_chunks(writer.whole(sent))
    assert whole[0].text == "ab"
    assert whole[-1].usage == Usage(1, 2)


def test_arguments_given_as_an_object_are_read_as_text():
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    payload = orjson.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    (chunk,) = openai.read_chunks(payload)
    assert chunk.tool_calls == (ToolCallDelta(0, None, "f", '{"a":1}'),)


@pytest.mark.parametrize("payload", [b"", b"nope", b"[]", b'{"choices": [1]}', b'{"choices": 1}'])
def test_a_payload_that_is_no_chunk_is_an_engine_error(payload):
    with pytest.raises(EngineError):
        openai.read_chunks(payload)


def test_an_error_in_the_stream_is_raised_as_what_it_is():
    payload = b'{"error": {"type": "exceed_context_size_error", "message": "9 of 8 tokens"}}'
    with pytest.raises(ContextLengthError, match="9 of 8"):
        openai.read_chunks(payload)


def test_embeddings_are_what_the_openai_package_expects():
    body = openai.embeddings_body("m", [[0.5, 1.0], [0.0, 2.0]], Usage(4))
    answer = CreateEmbeddingResponse.model_validate(body)
    assert [one.embedding for one in answer.data] == [[0.5, 1.0], [0.0, 2.0]]
    assert answer.usage.total_tokens == 4


def test_models_are_listed():
    body = openai.models_body([("lab-mini", "llmlab")])
    assert body["data"][0]["id"] == "lab-mini"
