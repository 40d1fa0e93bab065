"""Rows of the database that somebody has changed are data: never code, and never the end."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.integration.labs import running_lab

from llmlab.testing import ScriptedServer

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "text", ["no json", '{"py/object": "os.system"}', '"\\ud800"', "[1]", DEEP, "5"]
)
async def test_changed_rows_harm_nothing_else(tmp_path: Path, text: str) -> None:
    async with ScriptedServer(models=["m"]) as server:
        async with running_lab(tmp_path, external_nodes=[server.url]) as lab:
            await lab.until_served("m")
            answer = await lab.client.post("/chat", json={"message": "hello"})
            changed = answer.json()["run_id"]
        await asyncio.to_thread(_change, tmp_path / "lab.db", changed, text)
        async with running_lab(tmp_path, external_nodes=[server.url]) as lab:
            await lab.until_served("m")
            listing = await lab.client.get("/api/runs")
            assert {changed, "run_halfway"} <= {run["id"] for run in listing.json()["runs"]}
            assert (await lab.client.get("/api/tasks")).status_code == 200
            assert (await lab.client.get(f"/api/runs/{changed}")).status_code == 200
            # The run that was cut off cannot go on with such an input, and says so.
            halfway = await lab.until(
                lambda answer: answer["status"] != "running", "/api/runs/run_halfway"
            )
            assert halfway["status"] == "failed"
            assert (await lab.client.post("/chat", json={"message": "again"})).status_code == 200


def _change(path: Path, run_id: str, text: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("update runs set input = ?, output = ? where id = ?", (text, text, run_id))
        database.execute("update steps set output = ? where run_id = ?", (text, run_id))
        database.execute("update events set data = ? where run_id = ?", (text, run_id))
        columns = [row[1] for row in database.execute("pragma table_info(runs)")]
        kept = ", ".join(name for name in columns if name not in ("id", "status", "output"))
        database.execute(
            f"insert into runs (id, status, {kept})"
            f" select 'run_halfway', 'running', {kept} from runs where id = ?",
            (run_id,),
        )
        database.commit()
