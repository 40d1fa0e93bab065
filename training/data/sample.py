"""The unit of training data, and the plans in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llmlab.workflows.chat.tool import ToolDescription


@dataclass(frozen=True)
class Step:
    """One step of a plan; `tool` is None for a plain step."""

    tool: str | None
    args: dict[str, Any] = field(default_factory=dict)
    instruction: str = "Answer the user."


@dataclass(frozen=True)
class Request:
    """A user's words and the plan that answers them."""

    kind: str
    message: str
    steps: tuple[Step, ...]
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Sample:
    """One conversation that ends in the answer to be learnt.

    Attributes:
        kind: The ability that it teaches.
        messages: All turns before the answer.
        answer: What the model is to write.
        tools: Native tools of the chat template, if it is about those.
    """

    kind: str
    messages: Sequence[dict[str, str]]
    answer: str
    tools: tuple[ToolDescription, ...] = ()


def plan_text(steps: Sequence[Step]) -> str:
    """The plan as the model writes it."""
    plan = [{"tool": s.tool, "args": s.args, "instruction": s.instruction} for s in steps]
    return json.dumps({"steps": plan}, ensure_ascii=False)
