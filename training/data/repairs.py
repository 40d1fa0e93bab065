"""Repair samples: a spoilt plan, what the product's own check says of it, and the right plan."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from llmlab.events import PlannedStep
from llmlab.workflows.chat.check import find_problem
from llmlab.workflows.chat.prompting import (
    parse_plan_text,
    planner_messages,
    repair_messages,
)
from llmlab.workflows.chat.tool import ToolDescription
from training.data.phrasing import Source
from training.data.sample import Request, Sample, plan_text

Steps = list[dict[str, Any]]
_TRIES = 6
_PROSE = (
    "Sure, I will do that.",
    "I can help with that!",
    "The answer is 42.",
    "Let me think about it.",
    "",
    "{",
    '{"steps": []}',
)


def repair_sample(source: Source, request: Request, tools: Sequence[ToolDescription]) -> Sample:
    """A second try after a bad plan; a first try if no way to spoil this one is noticed."""
    asked = planner_messages(request.message, tools, request.history)
    answer = plan_text(request.steps)
    for _ in range(_TRIES):
        bad = _spoilt(source, answer)
        problem = _problem(bad, request, tools)
        if problem is not None:
            return Sample("plan-repair", repair_messages(asked, bad, problem), answer)
    return Sample(f"plan-{request.kind}", asked, answer)


def _problem(bad: str, request: Request, tools: Sequence[ToolDescription]) -> str | None:
    """What the planner would be told about this answer."""
    try:
        plan = parse_plan_text(bad)
    except ValueError as error:
        return str(error)
    steps = [PlannedStep.model_validate(step) for step in plan["steps"]]
    return find_problem(steps, tools, request.message, request.history)


def _spoilt(source: Source, answer: str) -> str:
    if source.chance(0.12):
        return source.rng.choice(_PROSE)
    steps: Steps = json.loads(answer)["steps"]
    ways: tuple[Callable[[Source, dict[str, Any]], None], ...] = (
        _other_number,
        _other_number,
        _other_letters,
        _other_tool,
        _other_argument,
        _lost_argument,
        _odd_reference,
    )
    source.rng.choice(ways)(source, source.rng.choice(steps))
    return json.dumps({"steps": steps}, ensure_ascii=False)


def _other_number(source: Source, step: dict[str, Any]) -> None:
    """Miscopies a digit."""
    text = json.dumps(step["args"], ensure_ascii=False)
    digits = [match.start() for match in re.finditer(r"(?<!\{)\d(?!\}\})", text)]
    if not digits:
        return
    at = source.rng.choice(digits)
    text = text[:at] + str(source.rng.randint(1, 9)) + text[at + 1 :]
    step["args"] = json.loads(re.sub(r"(?<=: )0+(?=\d)", "", text))


def _other_letters(source: Source, step: dict[str, Any]) -> None:
    """Puts a word that nobody said in the place of a text."""
    for name, value in step["args"].items():
        if isinstance(value, str) and len(value) > 3:
            cut = source.rng.randint(1, len(value) - 1)
            step["args"][name] = value[:cut] + source.rng.choice(("er", "s", "al", "ing", "o"))
            return


def _other_tool(source: Source, step: dict[str, Any]) -> None:
    names = ("search", "tool", "assistant", "web", "python", "calc", "do_it", "answer", "run")
    step["tool"] = source.rng.choice(names)


def _other_argument(source: Source, step: dict[str, Any]) -> None:
    name = source.rng.choice(("input", "value", "text", "q", "data", "arg"))
    step["args"] = {name: next(iter(step["args"].values()), "")}


def _lost_argument(source: Source, step: dict[str, Any]) -> None:
    if step["args"]:
        del step["args"][source.rng.choice(sorted(step["args"]))]


def _odd_reference(source: Source, step: dict[str, Any]) -> None:
    for name in step["args"]:
        step["args"][name] = f"{{{{{source.rng.randint(2, 5)}}}}}"
        return
