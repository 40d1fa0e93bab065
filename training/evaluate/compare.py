"""When two plans are the same."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmlab.tools.builtin.arithmetic import ArithmeticRefused, evaluate

Plan = Sequence[tuple[str | None, Mapping[str, Any]]]
FreeWords = Mapping[str, Sequence[str | Sequence[str]]]

_REFERENCE = re.compile(r"\{\{\s*(\d+)\s*\}\}")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# Stands for the result of a step in expressions that refer to it; prime, so that nothing cancels.
_TRIAL = "7919"


def same_tools(plan: Plan, wanted: Plan) -> bool:
    """Whether the same tools come in the same order."""
    return [tool for tool, _ in plan] == [tool for tool, _ in wanted]


def same_plan(plan: Plan, wanted: Plan, free: FreeWords | None = None) -> bool:
    """Whether tools and arguments agree.

    Args:
        plan: Steps as (tool, args).
        wanted: What they should be.
        free: For texts of `wanted` that may be worded otherwise, the words that must be in them.
    """
    pairs = zip(plan, wanted, strict=False)
    return same_tools(plan, wanted) and all(
        _same_args(args, wanted_args, free or {}) for (_, args), (_, wanted_args) in pairs
    )


def same_expression(text: str, wanted: str) -> bool:
    """Whether expressions have one value, and the calculation is written out in both."""
    value, wanted_value = _value(text), _value(wanted)
    if value is None or wanted_value is None:
        return text == wanted
    # A bare result would be a model's own sum, which is not to be trusted.
    written_out = len(_NUMBER.findall(text)) > 1 or len(_NUMBER.findall(wanted)) < 2
    return written_out and math.isclose(value, wanted_value, rel_tol=1e-9)


def _same_args(args: Mapping[str, Any], wanted: Mapping[str, Any], free: FreeWords) -> bool:
    if set(args) != set(wanted):
        return False
    return all(_same_value(name, args[name], value, free) for name, value in wanted.items())


def _same_value(name: str, value: Any, wanted: Any, free: FreeWords) -> bool:
    if isinstance(wanted, str) and wanted in free:
        return _has_words(str(value), free[wanted])
    if name == "expression":
        return same_expression(str(value), str(wanted))
    if isinstance(wanted, int | float) and isinstance(value, int | float):
        return math.isclose(value, wanted, rel_tol=1e-9)
    return bool(value == wanted)


def _has_words(text: str, words: Sequence[str | Sequence[str]]) -> bool:
    text = text.lower()
    groups = [[word] if isinstance(word, str) else word for word in words]
    return all(any(word.lower() in text for word in group) for group in groups)


def _value(expression: str) -> float | None:
    try:
        return float(evaluate(_REFERENCE.sub(_TRIAL, expression)))
    except (ArithmeticRefused, OverflowError):
        return None
