"""Measures a GGUF file: python -m training.evaluate [--file PATH] [--sets NAME ...] [--show]."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from training.data.phrasing import Split
from training.evaluate.byhand import mark_folder
from training.evaluate.cases import (
    FRESH,
    OPEN,
    SEALED,
    generated_answers,
    generated_plans,
    handwritten_plans,
)
from training.evaluate.composed import composed_plans
from training.evaluate.engine import Engine
from training.evaluate.scoring import Mark, mark_answers, mark_plans

_SHIPPED = Path(__file__).resolve().parents[2] / "src/llmlab/models/builtin/lab-mini.gguf"
_SEED = 20_000_003
_HEADER = "| kind | cases | right % | right tools % | checked % |\n|---|---|---|---|---|"


def main() -> None:
    """Prints a table for each set, and mistakes of all but the sealed ones if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=_SHIPPED)
    parser.add_argument("--sets", nargs="+", choices=_SETS, default=list(_SETS))
    parser.add_argument("--count", type=int, default=400, help="generated cases of each sort")
    parser.add_argument("--show", action="store_true", help="show mistakes (never sealed ones)")
    arguments = parser.parse_args()
    engine = Engine(arguments.file)
    for name in arguments.sets:
        marks = _SETS[name](engine, arguments.count)
        report(name, marks, show=arguments.show and name not in ("sealed", "fresh"))


def _generated(engine: Engine, count: int, split: Split) -> list[Mark]:
    marks = mark_plans(engine, generated_plans(split, _SEED, count))
    return marks + mark_answers(engine, generated_answers(split, _SEED, count))


def _composed(engine: Engine, count: int) -> list[Mark]:
    return mark_plans(engine, composed_plans("held_out", _SEED, round(0.3 * count)))


def report(title: str, marks: Sequence[Mark], *, show: bool) -> None:
    """Prints shares by kind: right, right tools, right after the product's check and repair."""
    print(f"\n## {title}\n\n{_HEADER}")
    by_kind: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        # "one_tool/browser" counts for "one_tool" too.
        for kind in {mark.kind, mark.kind.partition("/")[0]}:
            by_kind[kind].append(mark)
    for kind, members in sorted(by_kind.items()):
        tools = [mark.tool_right for mark in members if mark.tool_right is not None]
        checked = [mark.checked for mark in members if mark.checked is not None]
        right = _percent([mark.right for mark in members])
        print(f"| {kind} | {len(members)} | {right} | {_percent(tools)} | {_percent(checked)} |")
    for mark in marks if show else ():
        if not mark.right:
            print(f"MISS [{mark.kind}] {mark.shown}")


def _percent(values: Sequence[bool]) -> str:
    return str(round(100 * sum(values) / len(values))) if values else ""


# By name: wordings that were trained on, with new values; wordings that were not; clauses that were
# not, put together; prompts by hand.
_SETS: dict[str, Callable[[Engine, int], list[Mark]]] = {
    "trained": partial(_generated, split="train"),
    "held_out": partial(_generated, split="held_out"),
    "composed": _composed,
    "handwritten": lambda engine, _: mark_plans(engine, handwritten_plans()),
    "open": lambda engine, _: mark_folder(engine, OPEN),
    "sealed": lambda engine, _: mark_folder(engine, SEALED),
    "fresh": lambda engine, _: mark_folder(engine, FRESH),
}

if __name__ == "__main__":
    main()
