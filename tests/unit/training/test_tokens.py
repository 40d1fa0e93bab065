"""llama.cpp makes the same tokens of a text, and the same prompt of messages, as training did."""

import itertools
import random
from pathlib import Path

import pytest
from training.data.mixture import batches
from training.evaluate.engine import Engine
from training.template import render

import llmlab

pytestmark = pytest.mark.torch
SHIPPED = Path(llmlab.__file__).parent / "models/builtin/lab-mini.gguf"
COUNT = 10_000
# Latin, Greek to Hebrew, Arabic, Devanagari, symbols, Kana, Han, Hangul, emoji.
RANGES = (
    *((0x20, 0x7E),) * 3,
    *((0xA0, 0x24F), (0x370, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0x2000, 0x2BFF)),
    *((0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1F6FF)),
)


@pytest.fixture(scope="module")
def engine():
    return Engine(SHIPPED)


def random_text(rng):
    letters = (
        chr(rng.randint(*rng.choice(RANGES))) if rng.random() < 0.8 else rng.choice(" \n\t\r'")
        for _ in range(rng.randint(1, 60))
    )
    return "".join(letters)


def test_ten_thousand_texts_have_the_tokens_of_training(engine):
    vocabulary = pytest.importorskip("training.tokenizer").Vocabulary.of_gguf(SHIPPED)
    rng = random.Random(3)
    samples = (sample for batch in batches(991) for sample in batch)
    texts = [
        f"{s.messages[-1]['content']}\n{s.answer}" for s in itertools.islice(samples, COUNT // 2)
    ]
    texts += [random_text(rng) for _ in range(COUNT // 2)]
    different = [text for text in texts if engine.tokens(text) != vocabulary.encode(text)]
    assert different == []


def test_conversations_are_rendered_as_in_training(engine):
    samples = (sample for batch in batches(992) for sample in batch)
    for sample in itertools.islice(samples, 500):
        rendered = "".join(render(sample.messages, sample.tools))
        assert engine.prompt(sample.messages, sample.tools) == rendered
