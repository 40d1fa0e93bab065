"""Answers in OpenAI's form, held against the official package's own types."""

import orjson
import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llmlab.errors import ContextLengthError, EngineError
from llmlab.protocol import openai_answers as answers
from llmlab.types import Chunk, ToolCallDelta, Usage

ANSWER = [
    Chunk("Hel"),
    Chunk("lo", reasoning="hm"),
    Chunk(tool_calls=(ToolCallDelta(0, "call_1", "add", '{"a"'),)),
    Chunk(tool_calls=(ToolCallDelta(0, arguments=": 1}"),)),
    Chunk(finish_reason="tool_calls"),
    Chunk(usage=Usage(3, 2, 1)),
]


def test_stream_payloads_are_what_the_openai_package_expects():
    writer = answers.ChunkWriter("m", "chat", include_usage=True)
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
    writer = answers.ChunkWriter("m", "chat")
    assert writer.payloads(Chunk(usage=Usage(1, 1))) == []
    assert b"usage" not in writer.payloads(Chunk("x"))[0]


def test_a_whole_answer_is_what_the_openai_package_expects():
    body = answers.ChunkWriter("m", "chat").whole(ANSWER)
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
    answer = Completion.model_validate_json(answers.ChunkWriter("m", "completion").whole(chunks))
    assert [(one.text, one.finish_reason) for one in answer.choices] == [
        ("ab", "length"),
        ("x", "stop"),
    ]


def test_an_empty_answer_is_an_empty_string():
    body = answers.ChunkWriter("m", "chat").whole([Chunk(finish_reason="stop")])
    assert ChatCompletion.model_validate_json(body).choices[0].message.content == ""


def test_log_probabilities_are_put_together():
    token = {"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    chunks = [Chunk("a", logprobs={"content": [token]}), Chunk(finish_reason="stop")]
    answer = ChatCompletion.model_validate_json(answers.ChunkWriter("m", "chat").whole(chunks))
    assert answer.choices[0].logprobs.content[0].logprob == -0.5


@pytest.mark.parametrize("operation", ["chat", "completion"])
def test_what_is_written_can_be_read(operation):
    writer = answers.ChunkWriter("m", operation, include_usage=True)
    sent = [Chunk("a"), Chunk("b", finish_reason="stop"), Chunk(usage=Usage(1, 2))]
    read = [
        chunk
        for part in sent
        for payload in writer.payloads(part)
        for chunk in answers.read_chunks(payload)
    ]
    assert read == sent
    whole = answers.read_chunks(writer.whole(sent))
    assert whole[0].text == "ab"
    assert whole[-1].usage == Usage(1, 2)


def test_arguments_given_as_an_object_are_read_as_text():
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    payload = orjson.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    (chunk,) = answers.read_chunks(payload)
    assert chunk.tool_calls == (ToolCallDelta(0, None, "f", '{"a":1}'),)


@pytest.mark.parametrize("payload", [b"", b"nope", b"[]", b'{"choices": [1]}', b'{"choices": 1}'])
def test_a_payload_that_is_no_chunk_is_an_engine_error(payload):
    with pytest.raises(EngineError):
        answers.read_chunks(payload)


def test_an_error_in_the_stream_is_raised_as_what_it_is():
    payload = b'{"error": {"type": "exceed_context_size_error", "message": "9 of 8 tokens"}}'
    with pytest.raises(ContextLengthError, match="9 of 8"):
        answers.read_chunks(payload)


def test_embeddings_are_what_the_openai_package_expects():
    body = answers.embeddings_body("m", [[0.5, 1.0], [0.0, 2.0]], Usage(4))
    answer = CreateEmbeddingResponse.model_validate(body)
    assert [one.embedding for one in answer.data] == [[0.5, 1.0], [0.0, 2.0]]
    assert answer.usage.total_tokens == 4


def test_models_are_listed():
    body = answers.models_body([("lab-mini", "llmlab")])
    assert body["data"][0]["id"] == "lab-mini"
