"""Renders the chat workflow's prompt files into messages, and reads plans back.

The prompts are general: any instruction-following model can stand behind them. Fixed words come
first, then the tools, then the user's words, so that an engine's prefix cache serves most of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from llmlab.workflows.chat.retrieval import closest_tools
from llmlab.workflows.chat.tool import ToolDescription
from llmlab.workflows.prompting_text import (
    ChatMessages,
    History,
    JsonDict,
    StepResults,
    json_values,
    listed,
    object_schema,
    quoted,
    system,
    user,
)

MAX_STEPS = 6
# Stands for the output of an earlier step.
REFERENCE = re.compile(r"\{\{\s*(\d+)\s*\}\}")
# Without shorthands such as \d, which not every engine's grammar knows.
_REFERENCE_SCHEMA: JsonDict = {"type": "string", "pattern": r"^\{\{[1-9]\}\}$"}
_TOOL_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|$)", re.DOTALL)
_NO_TOOL = {"", "none", "null", "no tool"}
# Other names that models give to the fields of a step, in the order in which they are tried.
_TOOL_KEYS = ("tool", "tool_name", "name")
_ARGS_KEYS = ("args", "arguments", "parameters", "input")
_INSTRUCTION_KEYS = ("instruction", "description", "task", "step")


def planner_messages(
    message: str, tools: Sequence[ToolDescription], history: History = ()
) -> ChatMessages:
    """Asks for a plan that answers `message`.

    Args:
        message: The user's words.
        tools: What a step may use.
        history: Earlier turns, oldest first, as (user, assistant).
    """
    listed = "\n".join(tool_line(tool) for tool in tools) or "(no tools)"
    # Earlier turns are quoted inside the request: as turns of their own they would invite
    # the model to go on in prose.
    return [
        system(Template(_prompt("planner")).substitute(tools=listed)),
        user(f"{quoted(history)}Request: {message}{_hint(message, tools)}"),
    ]


def repair_messages(planner_messages: ChatMessages, bad_answer: str, problem: str) -> ChatMessages:
    """Asks once more after an answer that was no plan; `problem` says why."""
    return [
        *planner_messages,
        {"role": "assistant", "content": bad_answer},
        user(Template(_prompt("repair")).substitute(problem=problem)),
    ]


def step_messages(
    message: str, instruction: str, results: StepResults = (), history: History = ()
) -> ChatMessages:
    """Asks for the result of one plain step (a step without a tool).

    Args:
        message: The user's words.
        instruction: What the step is to do, with its references filled in.
        results: Finished steps, as (instruction, tool or None, output).
        history: Earlier turns, oldest first, as (user, assistant).
    """
    request = f"Request: {message}\n{listed(results)}Step: {instruction}"
    return [system(_prompt("step")), *_turns(history), user(request)]


def composer_messages(message: str, results: StepResults, history: History = ()) -> ChatMessages:
    """Asks for the final answer from the results of all steps; arguments as `step_messages`."""
    request = f"Request: {message}\n{listed(results)}Answer:"
    return [system(_prompt("composer")), *_turns(history), user(request)]


def tool_line(tool: ToolDescription) -> str:
    """One line for a tool: name, description, args (`?` marks those that may be left out)."""
    properties: Mapping[str, JsonDict | bool] = tool.parameters.get("properties", {})
    required = tool.parameters.get("required", list(properties))
    args = ", ".join(
        f"{name}{'' if name in required else '?'}: {_kind(schema)}"
        for name, schema in properties.items()
    )
    return f"- {tool.name}: {' '.join(tool.description.split())} Args: {{{args}}}"


def plan_schema(tools: Sequence[ToolDescription]) -> JsonDict:
    """JSON schema of a plan over these tools, for engines that constrain their output."""
    steps = [_step_schema({"const": tool.name}, _args_schema(tool.parameters)) for tool in tools]
    plain = _step_schema({"type": "null"}, object_schema({}, []))
    return object_schema(
        {
            "steps": {
                "type": "array",
                "items": {"anyOf": [*steps, plain]},
                "minItems": 1,
                "maxItems": MAX_STEPS,
            }
        },
        ["steps"],
    )


def parse_plan_text(text: str) -> JsonDict:
    """Reads a plan from a model's answer, tolerantly.

    Takes plain JSON, JSON in a code fence or in prose, a bare list of steps, a single step,
    and tool calls written as text. Fields that a plan does not have are dropped.

    Returns:
        `{"steps": [{"tool": str | None, "args": dict, "instruction": str}]}`.

    Raises:
        ValueError: There is no plan in it; the message says what is wrong.
    """
    text = text.rpartition("</think>")[2]
    if "<tool_call>" in text:
        calls = [_loads_call(body) for body in _TOOL_CALL.findall(text)]
        return plan_from_tool_calls(calls)
    return _plan(_find_json(text))


def plan_from_tool_calls(tool_calls: Sequence[Mapping[str, Any]]) -> JsonDict:
    """Turns native tool calls (OpenAI's shape, or bare name and arguments) into a plan.

    Raises:
        ValueError: A call has no name, or its arguments are not a JSON object.
    """
    functions = [call.get("function", call) for call in tool_calls]
    return _plan([{**function, "instruction": ""} for function in functions])


def fill_references(value: Any, outputs: Sequence[str]) -> Any:
    """Puts step outputs in the place of `{{1}}`, `{{2}}` ..., in strings, lists and dicts.

    Args:
        value: Any JSON value.
        outputs: The outputs of the steps so far; `{{1}}` is the first.

    Raises:
        ValueError: A reference names a step that has no output yet.
    """
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: _output(int(match[1]), outputs), value)
    if isinstance(value, list):
        return [fill_references(item, outputs) for item in value]
    if isinstance(value, dict):
        return {key: fill_references(item, outputs) for key, item in value.items()}
    return value


@cache
def _prompt(name: str) -> str:
    path = files(__package__) / "prompts" / f"{name}.txt"
    return path.read_text(encoding="utf-8").strip()


def _hint(message: str, tools: Sequence[ToolDescription]) -> str:
    # Behind the request, so that words and tools in front of it stay a prefix that is cached.
    names = closest_tools(message, tools)
    return f"\nTools that share words with it: {', '.join(names)}" if names else ""


def _turns(history: History) -> ChatMessages:
    pairs = ((user(asked), {"role": "assistant", "content": said}) for asked, said in history)
    return [turn for pair in pairs for turn in pair]


def _kind(schema: JsonDict | bool) -> str:
    if isinstance(schema, bool):
        return "any"
    if "enum" in schema:
        return " | ".join(json.dumps(choice) for choice in schema["enum"])
    kind = schema.get("type", "any")
    return " | ".join(kind) if isinstance(kind, list) else str(kind)


def _step_schema(tool: JsonDict, args: JsonDict) -> JsonDict:
    properties = {"tool": tool, "args": args, "instruction": {"type": "string"}}
    return object_schema(properties, list(properties))


def _args_schema(parameters: JsonDict) -> JsonDict:
    properties = parameters.get("properties", {})
    relaxed = {name: _with_reference(schema) for name, schema in properties.items()}
    return object_schema(relaxed, parameters.get("required", list(properties)))


def _with_reference(schema: JsonDict | bool) -> JsonDict:
    if isinstance(schema, bool):
        return {}
    # An argument of any type may be a reference such as "{{1}}" until the step runs, so
    # constraints of the real schema are checked after filling, not while planning.
    if "enum" in schema:
        return {"anyOf": [{"enum": schema["enum"]}, _REFERENCE_SCHEMA]}
    match schema.get("type"):
        case "string":
            return {"type": "string"}
        case "number" | "integer" | "boolean" as kind:
            return {"anyOf": [{"type": kind}, _REFERENCE_SCHEMA]}
        case _:
            return {}


def _find_json(text: str) -> Any:
    """The first JSON object or list in the text that can be a plan."""
    for value in json_values(text):
        if _looks_like_plan(value):
            return value
    if "{" not in text:
        raise ValueError("the answer has no JSON object in it")
    raise ValueError("the JSON is malformed, or has no steps")


def _looks_like_plan(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, dict) for item in value)
    known = ("steps", "plan", *_TOOL_KEYS, "instruction")
    return any(key in value for key in known)


def _plan(value: Any) -> JsonDict:
    if isinstance(value, dict):
        value = value.get("steps", value.get("plan", [value]))
        # {"plan": {"steps": [...]}} is common.
        value = value.get("steps", [value]) if isinstance(value, dict) else value
    if not isinstance(value, list) or not value:
        raise ValueError('"steps" must be a list with at least one step')
    if len(value) > MAX_STEPS:
        raise ValueError(f"{len(value)} steps, but at most {MAX_STEPS} are allowed")
    return {"steps": [_step(number, step) for number, step in enumerate(value, 1)]}


def _step(number: int, step: Any) -> JsonDict:
    if not isinstance(step, dict):
        raise ValueError(f"step {number} is not a JSON object")
    tool = _tool_name(number, _first(step, _TOOL_KEYS))
    args = _arguments(number, _first(step, _ARGS_KEYS))
    instruction = _first(step, _INSTRUCTION_KEYS)
    if tool is None and not instruction:
        raise ValueError(f"step {number} has neither a tool nor an instruction")
    return {"tool": tool, "args": args, "instruction": str(instruction or "")}


def _first(step: JsonDict, keys: Sequence[str]) -> Any:
    return next((step[key] for key in keys if step.get(key) is not None), None)


def _tool_name(number: int, tool: Any) -> str | None:
    if isinstance(tool, dict):
        tool = tool.get("name")
    if tool is None or (isinstance(tool, str) and tool.strip().lower() in _NO_TOOL):
        return None
    if not isinstance(tool, str):
        raise ValueError(f'"tool" of step {number} is not a name')
    return tool.strip()


def _arguments(number: int, args: Any) -> JsonDict:
    if args is None or args == "":
        return {}
    if isinstance(args, str):
        args = _decoded(args, lambda: f'"args" of step {number} is not valid JSON')
    if not isinstance(args, dict):
        raise ValueError(f'"args" of step {number} is not a JSON object')
    return args


def _loads_call(body: str) -> JsonDict:
    call = _decoded(body, lambda: "a tool call is not valid JSON")
    if not isinstance(call, dict):
        raise ValueError("a tool call is not a JSON object")
    return call


def _decoded(text: str, problem: Callable[[], str]) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(problem()) from error


def _output(number: int, outputs: Sequence[str]) -> str:
    if not 1 <= number <= len(outputs):
        raise ValueError(f"{{{{{number}}}}} refers to a step that has no output yet")
    return outputs[number - 1]
