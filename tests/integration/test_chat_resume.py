"""A lab that is killed in the middle of a chat finishes it after its next start."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from llmlab.store import events, runs, sessions, steps
from llmlab.store.database import Database
from llmlab.testing.script import Reply
from llmlab.testing.server import ScriptedServer

ROOT = Path(__file__).parents[2]
MESSAGE = "note one, then 25 * 67, then note two and note {{2}}, and write a verse"
PLAN = [
    {"tool": "note", "args": {"text": "note one"}, "instruction": "first"},
    {"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": "multiply"},
    {"tool": None, "args": {}, "instruction": "Write a verse on {{2}}."},
    {"tool": "note", "args": {"text": "note two {{2}}"}, "instruction": "second"},
]


@asynccontextmanager
async def lab(database_url: str, server: ScriptedServer, effects: Path) -> AsyncIterator[Process]:
    command = ("-m", "tests.integration.chat_lab", database_url, server.url, str(effects))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def heard(process: Process, word: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := (await process.stdout.readline()).decode():
            if line.startswith(word):
                return line.removeprefix(word).strip()
    raise AssertionError(f"the process ended without saying {word!r}")


def say(process: Process, message: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{message}\n".encode())


class Model:
    """A model that hangs where it is told to."""

    def __init__(self, hang_at: str) -> None:
        self.hang_at = hang_at

    def __call__(self, body: dict[str, Any]) -> Reply:
        system, asked = body["messages"][0]["content"], body["messages"][-1]["content"]
        if "You plan" in system:
            kind, text = "plan", json.dumps({"steps": PLAN})
        elif asked.endswith("Answer:"):
            kind, text = "answer", "All of it is done: 1675."
        else:
            kind, text = "verse", "A verse."
        return Reply(text, fault="hang" if kind == self.hang_at else None, after=2)


async def test_a_chat_that_is_killed_twice_is_finished_with_each_effect_once(
    tmp_path: Path,
) -> None:
    url, effects = f"sqlite:///{tmp_path / 'lab.db'}", tmp_path / "effects"
    model = Model("verse")
    async with ScriptedServer(["lab-mini"], reply_with=model) as server:
        async with lab(url, server, effects) as first:
            await heard(first, "ready")
            say(first, MESSAGE)
            run_id = await heard(first, "run")
            await kill_when_hung(first, server, requests=2)
        assert effects.read_text().splitlines() == ["note one"]

        model.hang_at = "answer"
        async with lab(url, server, effects) as second:
            assert await heard(second, "resumed") == run_id
            await kill_when_hung(second, server, requests=4)

        model.hang_at = ""
        async with lab(url, server, effects) as third:
            assert await heard(third, "resumed") == run_id
            assert await heard(third, "answer") == "All of it is done: 1675."
            third.stdin.close()  # type: ignore[union-attr]
            assert await third.wait() == 0
        # What was answered before a kill is not asked again: plan, verse twice, answer twice.
        assert server.request_count == 5
    assert effects.read_text().splitlines() == ["note one", "note two 1675"]
    await _assert_whole(url, run_id)


async def kill_when_hung(process: Process, server: ScriptedServer, *, requests: int) -> None:
    await server.until(lambda seen: seen.request_count == requests and seen.active == 1, timeout=60)
    process.kill()
    await process.wait()


async def _assert_whole(url: str, run_id: str) -> None:
    database = Database(url)
    await database.open()
    run = await database.read(runs.get, run_id)
    assert run is not None
    assert (run.status, run.attempts) == ("done", 3)
    recorded = await database.read(steps.of_run, run_id)
    keys = ["plan", "step-1", "step-2", "step-3", "step-4", "answer"]
    assert [step.key for step in recorded] == keys
    assert {step.status for step in recorded} == {"done"}
    stored = await database.read(events.after, run_id)
    assert [event.number for event in stored] == list(range(1, len(stored) + 1))
    kinds = ["run", "plan", *["step"] * 6, "done"]
    assert [event.event.type for event in stored] == kinds
    assert await database.read(runs.unfinished) == []
    said = await database.read(sessions.transcript, "s", tenant="owner")
    assert [message.role for message in said] == ["user", "assistant"]
    await database.close()
