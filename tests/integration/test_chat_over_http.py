"""Chat over a real HTTP engine, recorded in either database; and what it must not do."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.answering import EngineAnswerer

from llmlab.engines.openai import OpenAIEngine
from llmlab.events import RunDone
from llmlab.protocol.lab import ChatBody
from llmlab.settings import Settings
from llmlab.store import events, steps
from llmlab.store.database import Database
from llmlab.testing.script import Reply
from llmlab.testing.server import ScriptedServer
from llmlab.tools.builtin.calculator import CalculatorTool
from llmlab.tools.registry import ToolRegistry
from llmlab.workflows.chat.manager import WorkflowManager
from llmlab.workflows.durable.engine import RunEngine

ROOT = Path(__file__).parents[2]
PLAN = json.dumps({"steps": [{"tool": "calculator", "args": {"expression": "25 * 67"}}]})


def model(body: dict[str, Any]) -> Reply:
    planning = "You plan" in body["messages"][0]["content"]
    return Reply(PLAN if planning else "The answer is 1675.")


async def test_a_turn_is_answered_and_recorded(database: Database) -> None:
    async with ScriptedServer(["lab-mini"], reply_with=model) as server:
        engine, runs = OpenAIEngine(server.url), RunEngine(database)
        tools = ToolRegistry([CalculatorTool()])
        manager = WorkflowManager(runs, EngineAnswerer(engine), tools, Settings.from_dict({}))
        told = [
            event async for event in manager.stream(ChatBody(message="What is 25 * 67?"), "owner")
        ]
        done = told[-1]
        assert isinstance(done, RunDone)
        assert done.answer == "The answer is 1675."
        stored = await database.read(events.after, done.run_id)
        assert [item.event for item in stored] == [item for item in told if item.type != "token"]
        tasks = await database.read(steps.tasks, tenant="owner")
        assert [task.assignee for task in tasks] == ["node-1", "calculator", "node-1"]
        await runs.stop()
        await manager.close()
        await engine.aclose()


async def test_no_prompt_goes_to_a_tracing_service(tmp_path: Path) -> None:
    async with (
        ScriptedServer(["lab-mini"], reply_with=model) as server,
        ScriptedServer() as service,
    ):
        tracing = {
            "LANGCHAIN_TRACING": "true",
            "LANGCHAIN_TRACING_V2": "true",
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_TRACING_V2": "true",
            "LANGSMITH_API_KEY": "secret",
            "LANGSMITH_ENDPOINT": service.url,
            "LANGCHAIN_ENDPOINT": service.url,
        }
        url, effects = f"sqlite:///{tmp_path / 'lab.db'}", str(tmp_path / "effects")
        command = ("-m", "tests.integration.chat_lab", url, server.url, effects)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=ROOT,
            env=os.environ | tracing,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(process.communicate(b"What is 25 * 67?\n"), 60)
        assert b"answer The answer is 1675." in said
        assert service.request_count == 0


def test_langgraph_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, llmlab.workflows.chat.manager\n"
        "print(*(name for name in sys.modules if name in ('langgraph', 'langchain_core')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
