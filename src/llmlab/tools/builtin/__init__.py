"""The tools that the lab ships."""

from __future__ import annotations

from llmlab.tools.base import Tool
from llmlab.tools.builtin.calculator import CalculatorTool


def builtin_tools() -> list[Tool]:
    """Return one of each tool that the lab ships."""
    return [CalculatorTool()]
