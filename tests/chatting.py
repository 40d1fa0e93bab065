"""A lab with a scripted model, for tests of chat turns."""

import json
from collections.abc import Callable
from typing import Any, ClassVar

from tests.answering import EngineAnswerer

from llmlab.errors import ToolError
from llmlab.protocol.lab import ChatBody, ChatResult
from llmlab.settings import Settings
from llmlab.store.database import Database
from llmlab.testing.engine import ScriptedEngine
from llmlab.testing.script import Reply
from llmlab.tools.base import Tool
from llmlab.tools.builtin.calculator import CalculatorTool
from llmlab.tools.registry import ToolRegistry
from llmlab.types import JsonObject, JsonValue
from llmlab.workflows.chat.manager import WorkflowManager
from llmlab.workflows.durable.engine import RunEngine

QUESTION = "What is 25 * 67?"
STEP = {"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": "Calculate."}
PLAN = json.dumps({"steps": [STEP]})
ANSWER = "The answer is 1675."


class EchoTool(Tool):
    """Says what it is told, or fails."""

    name: ClassVar[str] = "echo"
    description: ClassVar[str] = "Says a text."
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    }
    output_schema: ClassVar[JsonObject] = {}

    async def execute(self, **kwargs: Any) -> JsonValue:
        if "crash" in kwargs["text"]:
            raise ToolError("The echo crashed.")
        return kwargs["text"] * (5000 if "endless" in kwargs["text"] else 1)


class Model:
    """A scripted model: plans for the planner, and for the rest what it was asked."""

    def __init__(self, *plans: Reply | str, answer: Reply | str = ANSWER) -> None:
        self.plans = [Reply(plan) if isinstance(plan, str) else plan for plan in plans]
        self.reply = Reply(answer) if isinstance(answer, str) else answer
        self.prompts: list[list[dict[str, Any]]] = []
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, body: dict[str, Any]) -> Reply:
        self.prompts.append(body["messages"])
        self.bodies.append(body)
        if "You plan" in body["messages"][0]["content"]:
            return self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        return self.reply


class Lab:
    """A manager over a scripted model."""

    def __init__(self, database: Database, model: Callable[[dict[str, Any]], Reply]) -> None:
        self.engine = ScriptedEngine(models=["lab-mini", "other"], reply_with=model)
        self.answerer = EngineAnswerer(self.engine)
        self.runs = RunEngine(database)
        self.tools = ToolRegistry([CalculatorTool(), EchoTool()])
        self.manager = WorkflowManager(
            self.runs, self.answerer, self.tools, Settings.from_dict({}), node="here"
        )

    async def ask(self, message: str = QUESTION, **fields: Any) -> ChatResult:
        return await self.manager.invoke(ChatBody(message=message, **fields), "owner")


MakeLab = Callable[..., Lab]


def keys(result: ChatResult) -> list[str]:
    return [step.key for step in result.steps]
