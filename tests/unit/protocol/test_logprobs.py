"""Log-probabilities in the forms of chat and of completions."""

import orjson
from openai.types import Completion
from openai.types.chat import ChatCompletion

from llmlab.protocol import logprobs
from llmlab.protocol import openai_answers as answers
from llmlab.types import Chunk


def entry(token, value=-0.5):
    other = {"token": "or", "logprob": -1.5}
    mine = {"token": token, "logprob": value}
    return mine | {"bytes": None, "top_logprobs": [mine, other]}


CHUNKS = [
    Chunk("Once", logprobs={"content": [entry("Once")]}),
    Chunk(" upon a", logprobs={"content": [entry(" upon"), entry(" a", -2.0)]}),
    Chunk(finish_reason="stop"),
]


def test_a_completion_gets_lists_side_by_side():
    answer = Completion.model_validate_json(answers.ChunkWriter("m", "completion").whole(CHUNKS))
    got = answer.choices[0].logprobs
    assert got.tokens == ["Once", " upon", " a"]
    assert got.token_logprobs == [-0.5, -0.5, -2.0]
    assert got.text_offset == [0, 4, 9]
    assert got.top_logprobs[2] == {" a": -2.0, "or": -1.5}


def test_a_streamed_completion_counts_on():
    writer = answers.ChunkWriter("m", "completion")
    events = [orjson.loads(event) for chunk in CHUNKS for event in writer.payloads(chunk)]
    got = [event["choices"][0]["logprobs"] for event in events]
    assert [one and one["text_offset"] for one in got] == [[0], [4, 9], None]


def test_chat_keeps_its_own_form():
    answer = ChatCompletion.model_validate_json(answers.ChunkWriter("m", "chat").whole(CHUNKS))
    assert [one.token for one in answer.choices[0].logprobs.content] == ["Once", " upon", " a"]


def test_the_form_of_completions_is_left_as_it_is_and_put_together():
    first = {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": None, "text_offset": [0]}
    second = {"tokens": ["b"], "token_logprobs": [-2.0], "top_logprobs": None, "text_offset": [1]}
    assert logprobs.as_completion(second, 1) is second
    assert logprobs.joined([first, second]) == {
        "tokens": ["a", "b"],
        "token_logprobs": [-1.0, -2.0],
        "top_logprobs": None,
        "text_offset": [0, 1],
    }


def test_what_an_engine_makes_up_is_no_failure():
    odd = {"content": [7, {"token": None, "top_logprobs": "x"}]}
    assert logprobs.as_completion(odd, 3) == {
        "tokens": [""],
        "token_logprobs": [None],
        "top_logprobs": [{}],
        "text_offset": [3],
    }
    assert logprobs.joined([]) is None
