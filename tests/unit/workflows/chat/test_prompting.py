"""The prompts, and plans read back from the answers of models of all sizes."""

import json

import jsonschema
import pytest

from llmlab.workflows.chat.prompting import (
    composer_messages,
    fill_references,
    parse_plan_text,
    plan_from_tool_calls,
    plan_schema,
    planner_messages,
    repair_messages,
    step_messages,
    tool_line,
)
from llmlab.workflows.chat.tool import ToolDescription

CALCULATOR = ToolDescription(
    "calculator",
    "Evaluates an\n  expression.",
    {
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
    },
)
WEATHER = ToolDescription(
    "weather",
    "Weather of a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["C", "F"]},
            "extra": {"type": ["string", "null"]},
        },
        "required": ["city"],
    },
)
TOOLS = [CALCULATOR, WEATHER]
PLAN = {"steps": [{"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": "Go."}]}


def test_planner_prompt_puts_fixed_words_first_and_the_request_last():
    first = planner_messages("What is 25 * 67?", TOOLS)
    second = planner_messages("Hello $you {{1}}", TOOLS)
    assert [message["role"] for message in first] == ["system", "user"]
    assert first[0] == second[0]
    assert second[1]["content"] == "Request: Hello $you {{1}}"
    assert first[0]["content"].endswith(tool_line(WEATHER))


def test_tool_is_one_line_and_marks_what_may_be_left_out():
    assert tool_line(CALCULATOR) == (
        "- calculator: Evaluates an expression. Args: {expression: string}"
    )
    assert tool_line(WEATHER) == (
        "- weather: Weather of a city. "
        'Args: {city: string, days?: integer, unit?: "C" | "F", extra?: string | null}'
    )


def test_argument_whose_schema_allows_anything_is_of_any_kind():
    free = {"type": "object", "properties": {"data": True}, "required": ["data"]}
    tool = ToolDescription("store", "Stores it.", free)
    assert tool_line(tool) == "- store: Stores it. Args: {data: any}"
    plan = {"steps": [{"tool": "store", "args": {"data": [1, {}]}, "instruction": ""}]}
    jsonschema.validate(plan, plan_schema([tool]))


def test_planner_without_tools_says_so():
    assert planner_messages("Hi", [])[0]["content"].endswith("(no tools)")


def test_history_is_quoted_for_the_planner_and_spoken_elsewhere():
    history = [("Hi", "Hello!")]
    asked = planner_messages("And now?", [], history)[-1]["content"]
    assert asked == "Conversation so far:\nUser: Hi\nAssistant: Hello!\n\nRequest: And now?"
    for messages in (
        step_messages("And now?", "Answer.", history=history),
        composer_messages("And now?", [], history),
    ):
        assert messages[1:3] == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello!"},
        ]


def test_results_are_numbered_for_steps_and_answers():
    results = [("Calculate.", "calculator", "1675"), ("", None, "A text.")]
    listed = "Results:\n1. Calculate. (calculator): 1675\n2. Step (text): A text.\n"
    assert composer_messages("Sum?", results)[-1]["content"] == f"Request: Sum?\n{listed}Answer:"
    assert step_messages("Sum?", "Tell.", results)[-1]["content"] == (
        f"Request: Sum?\n{listed}Step: Tell."
    )


def test_repair_shows_the_bad_answer_and_why_it_is_bad():
    asked = planner_messages("Hi", TOOLS)
    repair = repair_messages(asked, "nonsense", "no JSON")
    assert repair[:2] == asked
    assert repair[2] == {"role": "assistant", "content": "nonsense"}
    assert "no JSON" in repair[3]["content"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PLAN),
        f"```json\n{json.dumps(PLAN, indent=2)}\n```",
        f"Sure, here is [the plan]:\n{json.dumps(PLAN)}\nShall I go on?",
        json.dumps(PLAN["steps"]),
        json.dumps(PLAN["steps"][0]),
        json.dumps({"plan": PLAN}),
        json.dumps({"plan": PLAN["steps"], "confidence": 0.9}),
        json.dumps({"thought": "easy", "steps": [PLAN["steps"][0] | {"id": 1, "why": "x"}]}),
        f'<think>Maybe {{"steps": []}}?</think>{json.dumps(PLAN)}',
        json.dumps({"steps": [{"name": "calculator", "arguments": '{"expression": "25 * 67"}',
                               "task": "Go."}]}),
        json.dumps({"steps": [{"tool": {"name": "calculator"}, "description": "Go.",
                               "parameters": {"expression": "25 * 67"}}]}),
    ],
)  # fmt: skip
def test_plans_are_read_from_what_models_write(text):
    assert parse_plan_text(text) == PLAN


@pytest.mark.parametrize("tool", [None, "", "none", "None", "null"])
def test_all_ways_to_say_no_tool(tool):
    plan = parse_plan_text(json.dumps({"steps": [{"tool": tool, "instruction": "Talk."}]}))
    assert plan == {"steps": [{"tool": None, "args": {}, "instruction": "Talk."}]}


@pytest.mark.parametrize("closing", ["\n</tool_call>", ""])
def test_tool_calls_written_as_text_become_a_plan(closing):
    call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}' + closing
    assert parse_plan_text(call)["steps"] == [
        {"tool": "weather", "args": {"city": "Oslo"}, "instruction": ""}
    ]


def test_native_tool_calls_become_a_plan():
    calls = [
        {"id": "1", "function": {"name": "calculator", "arguments": '{"expression": "1 + 1"}'}},
        {"name": "weather", "arguments": {"city": "Oslo"}},
    ]
    steps = plan_from_tool_calls(calls)["steps"]
    assert [(step["tool"], step["args"]) for step in steps] == [
        ("calculator", {"expression": "1 + 1"}),
        ("weather", {"city": "Oslo"}),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("I can't do that.", "no JSON"),
        ('{"steps": [', "malformed"),
        ('{"answer": 5}', "malformed, or has no steps"),
        ('{"steps": []}', "at least one"),
        ('{"steps": "none"}', "list"),
        ('{"steps": ["calculate"]}', "step 1 is not a JSON object"),
        ('{"steps": [{"tool": 5}]}', "not a name"),
        ('{"steps": [{"tool": "t", "args": [1]}]}', "not a JSON object"),
        ('{"steps": [{"tool": "t", "args": "{"}]}', "not valid JSON"),
        ('{"steps": [{"tool": null}]}', "neither a tool nor an instruction"),
        (json.dumps({"steps": [{"tool": "t"}] * 7}), "at most 6"),
        ("<tool_call>oops</tool_call>", "not valid JSON"),
        ("<tool_call>[1]</tool_call>", "not a JSON object"),
        ("[" * 100_000, "no JSON"),
        ("{" * 100_000, "malformed"),
    ],
)
def test_what_is_no_plan_says_why(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_plan_text(text)


@pytest.mark.parametrize(
    ("step", "valid"),
    [
        ({"tool": "calculator", "args": {"expression": "1"}, "instruction": "x"}, True),
        ({"tool": "weather", "args": {"city": "Oslo", "days": 2}, "instruction": "x"}, True),
        ({"tool": "weather", "args": {"city": "{{1}}", "days": "{{2}}"}, "instruction": "x"}, True),
        ({"tool": "weather", "args": {"city": "x", "unit": "{{1}}"}, "instruction": "x"}, True),
        ({"tool": None, "args": {}, "instruction": "x"}, True),
        ({"tool": "calculator", "args": {"city": "Oslo"}, "instruction": "x"}, False),
        ({"tool": "unknown", "args": {}, "instruction": "x"}, False),
        ({"tool": None, "args": {"a": 1}, "instruction": "x"}, False),
        ({"tool": "weather", "args": {"city": "x", "days": [1]}, "instruction": "x"}, False),
        ({"tool": "weather", "args": {"city": "x", "days": "two"}, "instruction": "x"}, False),
        ({"tool": "weather", "args": {"city": "x", "unit": "K"}, "instruction": "x"}, False),
    ],
)
def test_schema_of_a_plan(step, valid):
    validator = jsonschema.Draft202012Validator(plan_schema(TOOLS))
    assert validator.is_valid({"steps": [step]}) is valid


def test_schema_bounds_the_steps():
    step = {"tool": None, "args": {}, "instruction": "x"}
    validator = jsonschema.Draft202012Validator(plan_schema([]))
    assert validator.is_valid({"steps": [step] * 6})
    assert not validator.is_valid({"steps": [step] * 7})
    assert not validator.is_valid({"steps": []})


def test_references_are_filled_everywhere_and_once():
    value = {"a": "{{1}} + {{ 2 }}", "b": ["{{2}}", 3, None], "c": {"d": "no {1}"}}
    assert fill_references(value, ["7", "{{1}}"]) == {
        "a": "7 + {{1}}",
        "b": ["{{1}}", 3, None],
        "c": {"d": "no {1}"},
    }


@pytest.mark.parametrize("reference", ["{{0}}", "{{3}}"])
def test_reference_to_a_step_without_output(reference):
    with pytest.raises(ValueError, match="no output yet"):
        fill_references(reference, ["1", "2"])
