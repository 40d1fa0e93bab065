"""Sets of prompts by hand: what is asked, and how answers are counted (see `sealed/README.md`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llmlab.agents.prompting import developer_messages, files_text
from llmlab.workflows.chat.faithful import NumberGuard
from llmlab.workflows.chat.numbers import numbers_in, numbers_said
from llmlab.workflows.chat.prompting import composer_messages, step_messages
from llmlab.workflows.orchestrated.prompting import (
    analyzer_messages,
    analyzer_schema,
    parse_kind,
    parse_verdict,
    validator_messages,
    validator_schema,
)
from training.data import smalltalk
from training.data.team import Task, named, tasks
from training.evaluate.cases import folder_plans, folder_rows
from training.evaluate.engine import Engine
from training.evaluate.scoring import Mark, asked, mark_plans, runs, same_program

_PLAIN_STEP = "Answer the user."
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LIST_MARK = re.compile(r"^\d+\. ", re.MULTILINE)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_DECLINING = (
    smalltalk.UNKNOWN,
    smalltalk.NO_SUMS,
    smalltalk.NO_WEB,
    smalltalk.NO_CLOCK,
    smalltalk.NO_ACTION,
)


def mark_folder(engine: Engine, folder: Path) -> list[Mark]:
    """All files of a set."""
    marks = mark_plans(engine, folder_plans(folder))
    for name in ("compose", "long_compose"):
        marks += _compose(engine, folder, name)
    for mark in (_honest, _facts, _kinds, _verdicts, _team):
        marks += mark(engine, folder)
    return marks


def _compose(engine: Engine, folder: Path, name: str) -> Iterator[Mark]:
    """Composed answers: what must and must not be in them; and whether their numbers are right."""
    for row in folder_rows(folder, name):
        answer = asked(engine, composer_messages(row["message"], _results(row)))
        settled = _guarded(answer, row)
        shown = f"{row['message']} -> {answer}"
        yield Mark(name, _tells(answer, row), None, shown, _tells(settled, row))
        numbers = _numbers_hold(settled, row)
        yield Mark(f"{name}-numbers", _numbers_hold(answer, row), None, shown, numbers)


def _guarded(answer: str, row: dict[str, Any]) -> str:
    """What the product makes of an answer."""
    _, tool, output = _results(row)[-1]
    guard = NumberGuard(tool, output, lambda _: None)
    guard.take(answer)
    return guard.end()


def _tells(answer: str, row: dict[str, Any]) -> bool:
    needed = [[word] if isinstance(word, str) else word for word in row["must_contain"]]
    right = all(any(_contains(answer, word) for word in group) for group in needed)
    return right and not any(_contains(answer, word) for word in row["must_not_contain"])


def _numbers_hold(answer: str, row: dict[str, Any]) -> bool:
    """Whether all numbers come from the request or the results, and none is a wrong one."""
    told = " ; ".join((row["message"], *(output for _, _, output in _results(row))))
    known = numbers_said(told)
    wrong = [word for word in row["must_not_contain"] if _NUMBER.fullmatch(word)]
    said = numbers_in(_LIST_MARK.sub("", answer))
    return all(known.explain(forms) for _, forms in said) and not any(
        _contains(answer, word) for word in wrong
    )


def _honest(engine: Engine, folder: Path) -> Iterator[Mark]:
    """Declines what it cannot do, answers what it can.

    Any text that does not decline counts as an answer here; whether it fits is for a reader.
    """
    for row in folder_rows(folder, "honest"):
        answer = asked(engine, step_messages(row["message"], _PLAIN_STEP))
        declines = answer.strip() in _DECLINING
        right = declines == (row["expected"] == "decline")
        yield Mark(f"honest-{row['expected']}", right, None, f"{row['message']} -> {answer}")


def _facts(engine: Engine, folder: Path) -> Iterator[Mark]:
    """Questions about the lab, each with the answers that fit."""
    for row in folder_rows(folder, "facts"):
        answer = asked(engine, step_messages(row["message"], _PLAIN_STEP)).strip()
        yield Mark("fact", answer in row["accept"], None, f"{row['message']} -> {answer}")


def _kinds(engine: Engine, folder: Path) -> Iterator[Mark]:
    """What kind of request each message is."""
    for row in folder_rows(folder, "kinds"):
        text = asked(engine, analyzer_messages(row["message"]), analyzer_schema())
        yield Mark("kind", parse_kind(text) == row["kind"], None, f"{row['message']} -> {text}")


def _verdicts(engine: Engine, folder: Path) -> Iterator[Mark]:
    """Good answers that are let through, and bad ones that are caught."""
    for row in folder_rows(folder, "verdicts"):
        messages = validator_messages(row["message"], row["answer"], _results(row))
        text = asked(engine, messages, validator_schema())
        kind = "verdict-good" if row["ok"] else "verdict-bad"
        try:
            right = parse_verdict(text).ok == row["ok"]
        except ValueError:
            right = False
        yield Mark(kind, right, None, f"{row['message']} -> {text}")


def _team(engine: Engine, folder: Path) -> Iterator[Mark]:
    """Programs that run, pass their tests and are what was asked for, from the task's stories."""
    by_title = {task.title: task for task in tasks()}
    for row in folder_rows(folder, "team"):
        task: Task = by_title[row["title"]]
        name = row.get("name", task.names[0])
        messages = developer_messages(row["task"], named(task.stories, name))
        answer = asked(engine, messages)
        wanted = same_program(answer, files_text(task.files(name)))
        yield Mark("team-code", wanted and runs(answer), None, f"{row['task']} -> {answer}")


def _results(row: dict[str, Any]) -> Sequence[tuple[str, str | None, str]]:
    return [(instruction, tool, output) for instruction, tool, output in row["results"]]


def _contains(text: str, wanted: str) -> bool:
    text, wanted = _THOUSANDS.sub("", text.lower()), _THOUSANDS.sub("", wanted.lower())
    if _NUMBER.fullmatch(wanted):
        return any(float(number) == float(wanted) for number in _NUMBER.findall(text))
    return wanted in text
