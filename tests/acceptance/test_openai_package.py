"""The official ``openai`` package against a running lab."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from llmlab.testing.process import LabProcess

MODEL = "lab-mini"
HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def client(lab: LabProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{lab.url}/v1", api_key=lab.key, max_retries=0, timeout=60) as client:
        yield client


def test_models_are_listed(client: OpenAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]


def test_a_chat_is_answered_and_counted(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=32)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_streamed_chat_says_the_same_as_a_whole_one(client: OpenAI) -> None:
    options = {"model": MODEL, "messages": HELLO, "max_tokens": 32, "temperature": 0, "seed": 1}
    whole = client.chat.completions.create(**options, extra_body={"cache": False})
    stream = client.chat.completions.create(
        **options,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"cache": False},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]


def test_an_equal_question_comes_from_the_cache(client: OpenAI) -> None:
    options = {"model": MODEL, "messages": [{"role": "user", "content": "Hi there!"}]}
    first = client.chat.completions.with_raw_response.create(**options)
    again = client.chat.completions.with_raw_response.create(**options)
    assert first.headers["x-llmlab-cache"] == "miss"
    assert again.headers["x-llmlab-cache"] == "hit"
    assert again.headers["x-llmlab-run"] != first.headers["x-llmlab-run"]
    assert first.headers["x-llmlab-node"].startswith("worker")
    assert first.parse().choices[0].message.content == again.parse().choices[0].message.content
    fresh = client.chat.completions.with_raw_response.create(**options, extra_body={"cache": False})
    assert fresh.headers["x-llmlab-cache"] == "miss"


def test_a_schema_is_kept_to(client: OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=64,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "verdict", "schema": schema, "strict": True},
        },
    )
    assert (answer.choices[0].message.content or "").lstrip().startswith("{")


def test_a_completion(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="Hello", max_tokens=8)
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 8


def test_embeddings(client: OpenAI) -> None:
    # Without an encoding the package asks for base64 and decodes it.
    plain = client.embeddings.create(model=MODEL, input=["one", "two"], encoding_format="float")
    packed = client.embeddings.create(model=MODEL, input=["one", "two"])
    for one, other in zip(plain.data, packed.data, strict=True):
        assert len(one.embedding) > 0
        assert other.embedding == pytest.approx(one.embedding, rel=1e-4, abs=1e-6)


def test_an_unknown_model_names_the_ones_that_exist(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=MODEL):
        client.chat.completions.create(model="no-such-model", messages=HELLO)


def test_a_wrong_key_is_refused(lab: LabProcess) -> None:
    with OpenAI(base_url=f"{lab.url}/v1", api_key="lab-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError, match="llmlab key"):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model=MODEL, messages=HELLO)


def test_more_than_the_context_is_refused_with_the_numbers(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"\d{4}"):
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "word " * 9000}]
        )
