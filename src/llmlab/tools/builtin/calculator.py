"""The calculator."""

from __future__ import annotations

from typing import Any, ClassVar

from llmlab.errors import ToolError
from llmlab.tools.base import Tool
from llmlab.tools.builtin.arithmetic import (
    LONGEST_EXPRESSION,
    ArithmeticRefused,
    Number,
    evaluate,
)
from llmlab.types import JsonObject, JsonValue

# Every JSON reader keeps whole numbers up to here exactly (IEEE 754 doubles).
_LARGEST_EXACT = 2**53


class CalculatorTool(Tool):
    """Computes one arithmetic expression.

    The output is ``{"result": ...}``: a number, or, for a whole number that JSON readers
    would round, its digits as text.
    """

    name: ClassVar[str] = "calculator"
    description: ClassVar[str] = (
        "Exact arithmetic: + - * / // % **, parentheses and functions like sqrt(2) or sin(1)."
    )
    capabilities: ClassVar[frozenset[str]] = frozenset({"arithmetic", "math"})
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "expression": {
                "type": "string",
                "description": "The expression, such as 25 * 67",
                "minLength": 1,
                "maxLength": LONGEST_EXPRESSION,
            }
        },
        "required": ["expression"],
        "additionalProperties": False,
    }
    output_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {"result": {"type": ["number", "string"]}},
        "required": ["result"],
        "additionalProperties": False,
    }

    async def execute(self, **kwargs: Any) -> JsonValue:
        """Compute ``expression``.

        Raises:
            ToolError: It is no arithmetic, or it has no value that can be written down.
        """
        try:
            value = evaluate(kwargs["expression"])
        except ArithmeticRefused as error:
            raise ToolError(
                f"The calculator cannot compute this: {error}.", param="expression"
            ) from error
        return {"result": _shown(value)}


def _shown(value: Number) -> int | float | str:
    """Drop what floating point adds: 0.1 + 0.2 is 0.3, and 1675.0 is 1675."""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return int(value)
        return round(value, 10) if abs(value) >= 0.001 else float(f"{value:.10g}")
    return value if abs(value) <= _LARGEST_EXACT else str(value)
