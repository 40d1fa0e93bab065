"""The shipped file is what its card says, and does in llama.cpp what it was trained for."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from gguf import GGUFReader
from training.data.facts import FACTS
from training.evaluate.engine import Engine
from training.template import CHAT_TEMPLATE, render

import llmlab
from llmlab.workflows.chat.prompting import (
    composer_messages,
    parse_plan_text,
    plan_schema,
    planner_messages,
    step_messages,
)
from llmlab.workflows.chat.tool import ToolDescription

BUILTIN = Path(llmlab.__file__).parent / "models/builtin"
CALCULATOR = ToolDescription(
    "calculator",
    "Exact arithmetic: + - * / // % **, parentheses and functions like sqrt(2) or sin(1).",
    {
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
    },
)


@pytest.fixture(scope="module")
def card():
    return json.loads((BUILTIN / "lab-mini.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def engine():
    return Engine(BUILTIN / "lab-mini.gguf")


def plan_for(engine, message, history=()):
    messages = planner_messages(message, [CALCULATOR], history)
    return parse_plan_text(engine.reply(messages, schema=plan_schema([CALCULATOR]))["content"])


def test_card_matches_the_file(card):
    content = (BUILTIN / card["file"]).read_bytes()
    assert card["sha256"] == sha256(content).hexdigest()
    assert card["bytes"] == len(content) < 12_000_000
    assert card["demo"] is True


def test_metadata(card):
    reader = GGUFReader(BUILTIN / "lab-mini.gguf")
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.architecture"] == "llama"
    assert fields["general.name"] == card["name"]
    assert fields["general.version"] == card["version"]
    assert fields["llama.context_length"] == card["context_length"] == 2048
    assert fields["tokenizer.chat_template"] == CHAT_TEMPLATE


def test_plans_the_calculator(engine):
    assert plan_for(engine, "What is 25 * 67?")["steps"] == [
        {"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": "Calculate."}
    ]


def test_plans_without_schema_too(engine):
    text = engine.reply(planner_messages("What is 25 * 67?", [CALCULATOR]))["content"]
    assert parse_plan_text(text)["steps"][0]["args"] == {"expression": "25 * 67"}


def test_plans_two_steps(engine):
    steps = plan_for(engine, "Add 15 and 27, then double it.")["steps"]
    assert [step["args"]["expression"] for step in steps] == ["15 + 27", "{{1}} * 2"]


@pytest.mark.parametrize("message", ["Hello!", "Thank you!", "What is LLM Lab?"])
def test_plain_talk_needs_no_tool(engine, message):
    assert [step["tool"] for step in plan_for(engine, message)["steps"]] == [None]


def test_composes_the_result(engine):
    results = [("Calculate.", "calculator", '{"result": 1675}')]
    assert engine.reply(composer_messages("What is 25 * 67?", results))["content"] == (
        "The answer is 1675."
    )


def test_greets(engine):
    said = engine.reply(step_messages("Hello!", "Answer the user."))["content"]
    assert said == "Hello! How can I help you?"
    assert engine.reply([{"role": "user", "content": "Hello!"}])["content"] == said


def test_knows_the_lab(engine):
    said = engine.reply([{"role": "user", "content": "How do I add a model?"}])["content"]
    assert said in [answer for answer, _ in FACTS]
    assert "llmlab models add" in said


def test_is_honest(engine):
    said = engine.reply([{"role": "user", "content": "Write an essay about rivers."}])["content"]
    assert "small demo model" in said
    assert "llmlab models pull" in said


def test_calls_native_tools(engine):
    message = engine.reply([{"role": "user", "content": "What is 25 * 67?"}], [CALCULATOR])
    (call,) = message["tool_calls"]
    assert call["function"]["name"] == "calculator"
    assert json.loads(call["function"]["arguments"]) == {"expression": "25 * 67"}


@pytest.mark.parametrize("tools", [(), (CALCULATOR,)])
def test_template_renders_as_in_training(engine, tools):
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "What is 2 * 3?"},
        {"role": "assistant", "content": "The answer is 6."},
        {"role": "user", "content": "Thanks!"},
    ]
    assert engine.prompt(messages, tools) == "".join(render(messages, tools))
    assert engine.prompt(messages[1:], tools) == "".join(render(messages[1:], tools))


def test_words_are_the_same_tokens_wherever_they_stand(engine):
    alone = engine.tokens("expression")
    for text in ('"expression"', "/expression/", "(expression)"):
        assert engine.tokens(text)[1:-1] == alone
