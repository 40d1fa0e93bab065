"""Takes out calls that a model planned twice: a mail is not sent again, nor a page read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llmlab.events import PlannedStep
from llmlab.workflows.chat.prompting import REFERENCE

_MEANT = re.compile(r"\b(?:twice|thrice|times|again|repeat\w*)\b", re.IGNORECASE)
_Call = tuple[str | None, dict[str, Any]]


def without_repeats(plan: Sequence[PlannedStep], message: str) -> list[PlannedStep]:
    """The plan with each call only once, and what refers to a dropped one referring to the first.

    A call without a text may well be meant twice (roll a die), as may any where the user says so.

    Args:
        plan: As the model gave it.
        message: The user's words.
    """
    if _MEANT.search(message):
        return list(plan)
    kept: list[PlannedStep] = []
    places: dict[int, int] = {}
    for number, planned in enumerate(plan, 1):
        step = _renumbered(planned, places)
        calls: list[_Call] = [(other.tool, other.args) for other in kept]
        if _has_text(step) and (step.tool, step.args) in calls:
            places[number] = calls.index((step.tool, step.args)) + 1
        else:
            kept.append(step)
            places[number] = len(kept)
    return kept


def _has_text(step: PlannedStep) -> bool:
    return step.tool is not None and any(isinstance(value, str) for value in step.args.values())


def _renumbered(step: PlannedStep, places: dict[int, int]) -> PlannedStep:
    def moved(reference: re.Match[str]) -> str:
        number = int(reference[1])
        # What refers to no earlier step is left for the check to find.
        return f"{{{{{places.get(number, number)}}}}}"

    return PlannedStep.model_validate_json(REFERENCE.sub(moved, step.model_dump_json()))
