"""What is measured: the generator's held-out phrasings, and prompts by hand, open and sealed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmlab.workflows.chat.tool import ToolDescription
from training.data.answers import chat_sample, composer_sample, step_sample
from training.data.judging import kind_sample, verdict_sample
from training.data.native import native_batch
from training.data.phrasing import Source, Split
from training.data.plans import draw_bench, draw_request
from training.data.sample import Sample
from training.data.team import team_sample
from training.data.toolbox import described
from training.data.words import Words
from training.evaluate.compare import FreeWords, Plan

_HERE = Path(__file__).parent
OPEN = _HERE / "open"
SEALED = _HERE.parent / "sealed"
FRESH = SEALED / "fresh"
# Descriptions that the tools have in the product or may have there.
PRODUCT_TOOLS = {
    "calculator": described(
        "calculator",
        "Exact arithmetic: + - * / // % **, parentheses and functions like sqrt(2) or sin(1).",
        {"expression": "string"},
    ),
    "web_search": described("web_search", "Searches the web.", {"query": "string"}),
    "browser": described("browser", "Opens a web page and returns its text.", {"url": "string"}),
    "datetime": ToolDescription(
        "datetime",
        "Gives the current date and time, in a time zone if one is given.",
        {"type": "object", "properties": {"timezone": {"type": "string"}}, "required": []},
    ),
}


@dataclass(frozen=True)
class PlanCase:
    """A request, and the plans that are right.

    Attributes:
        kind: What it measures.
        message: The user's words.
        tools: What the planner is offered.
        plans: Right plans; the first is the expected one.
        history: Earlier turns.
        free: See `compare.same_plan`.
    """

    kind: str
    message: str
    tools: Sequence[ToolDescription]
    plans: Sequence[Plan]
    history: Sequence[tuple[str, str]] = ()
    free: FreeWords = field(default_factory=dict)


def generated_plans(split: Split, seed: int, count: int) -> list[PlanCase]:
    """Requests of one split of the generator, with the tool lists of its training data."""
    rng = random.Random(f"{seed}-{split}")
    source, words = Source(rng, split), Words(rng)
    cases: list[PlanCase] = []
    while len(cases) < count:
        bench = draw_bench(source, words)
        request = draw_request(source, words, bench)
        plan = tuple((step.tool, step.args) for step in request.steps)
        cases.append(PlanCase(request.kind, request.message, bench.tools, [plan], request.history))
    return cases


def generated_answers(split: Split, seed: int, count: int) -> list[Sample]:
    """Composed answers, plain steps, direct chat, native calls, kinds and verdicts of one split."""
    rng = random.Random(f"{seed}-{split}-answers")
    source, words = Source(rng, split), Words(rng)
    makers: tuple[Callable[[], list[Sample]], ...] = (
        lambda: [composer_sample(source, words)],
        lambda: [composer_sample(source, words)],
        lambda: [step_sample(source, words)],
        lambda: [chat_sample(source, words)],
        lambda: native_batch(source, words, 1)[:1],
        lambda: [kind_sample(source, words)],
        lambda: [verdict_sample(source, words)],
        lambda: [team_sample(source, words)],
    )
    return [sample for _ in range(count // len(makers)) for make in makers for sample in make()]


def handwritten_plans() -> list[PlanCase]:
    """Prompts written by hand before the generator; they may be read to see what goes wrong."""
    return [
        PlanCase(row["kind"], row["message"], _tools(row), [_plan(row["steps"])])
        for row in json.loads((_HERE / "handwritten.json").read_text(encoding="utf-8"))
    ]


def folder_plans(folder: Path) -> list[PlanCase]:
    """The plans of a set."""
    return [
        PlanCase(
            f"{name}/{row['plan'][0]['tool'] or 'none'}" if name == "one_tool" else name,
            row["message"],
            _listed_tools(folder, row["tools"]),
            [_plan(plan) for plan in (row["plan"], *row.get("accept", ()))],
            free=row.get("free", {}),
        )
        for name in ("one_tool", "two_three_steps", "unseen_tools", "long")
        for row in folder_rows(folder, name)
    ]


def folder_rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The lines of one file of a set; none if it has no such file."""
    path = folder / f"{name}.jsonl"
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _listed_tools(folder: Path, named: Any) -> list[ToolDescription]:
    if isinstance(named, dict):
        lists = json.loads((folder / "long_tools.json").read_text(encoding="utf-8"))
        return [_defined(tool) for tool in lists[named["list"]]]
    return [PRODUCT_TOOLS[tool] if isinstance(tool, str) else _defined(tool) for tool in named]


def _tools(row: dict[str, Any]) -> list[ToolDescription]:
    return [*PRODUCT_TOOLS.values(), *map(_defined, row.get("tools", ()))]


def _defined(tool: dict[str, Any]) -> ToolDescription:
    return ToolDescription(tool["name"], tool["description"], tool["parameters"])


def _plan(steps: Sequence[Any]) -> Plan:
    if steps and isinstance(steps[0], dict):
        return [(step["tool"], step.get("args", {})) for step in steps]
    return [(tool, args) for tool, args in steps]
