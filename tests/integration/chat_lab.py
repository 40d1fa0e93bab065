"""A lab's chat path alone: ``python -m tests.integration.chat_lab DATABASE ENGINE EFFECTS``.

It resumes what an earlier process has left, answers each line of its input, and says what it
does on its output. The tool ``note`` writes a line into the file EFFECTS each time it runs.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, ClassVar

from tests.answering import EngineAnswerer

from llmlab.engines.openai import OpenAIEngine
from llmlab.protocol.lab import ChatBody
from llmlab.settings import Settings
from llmlab.store.database import Database
from llmlab.tools.base import Tool
from llmlab.tools.builtin.calculator import CalculatorTool
from llmlab.tools.registry import ToolRegistry
from llmlab.types import JsonObject, JsonValue
from llmlab.workflows.chat.manager import WorkflowManager
from llmlab.workflows.durable.engine import RunEngine


class NoteTool(Tool):
    """Writes a line that stays."""

    name: ClassVar[str] = "note"
    description: ClassVar[str] = "Writes a note."
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    }
    output_schema: ClassVar[JsonObject] = {"type": "string"}

    def __init__(self, file: Path) -> None:
        self._file = file

    async def execute(self, **kwargs: Any) -> JsonValue:
        """Append the text."""
        with self._file.open("a") as file:
            file.write(f"{kwargs['text']}\n")
        return "noted"


def tell(*words: str) -> None:
    """Say a line, at once."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def main(database_url: str, engine_url: str, effects: str) -> None:
    """Resume, then answer until the input ends."""
    database = Database(database_url)
    await database.open()
    engine = OpenAIEngine(engine_url)
    runs = RunEngine(database)
    tools = ToolRegistry([CalculatorTool(), NoteTool(Path(effects))])
    manager = WorkflowManager(runs, EngineAnswerer(engine), tools, Settings.from_dict({}))
    for run_id in await runs.resume():
        handle = runs.find(run_id, tenant="owner")
        if handle is not None:
            tell("resumed", run_id)
            tell("answer", (await handle.result()).answer)
    tell("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        handle = await manager.start(ChatBody(message=line.strip(), session_id="s"), "owner")
        tell("run", handle.id)
        tell("answer", (await handle.result()).answer)
    await runs.stop()
    await manager.close()
    await engine.aclose()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
