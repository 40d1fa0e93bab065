"""Queries on runs, steps, events and sessions."""

import pytest
from sqlalchemy import Connection, select
from tests.databases import new_run

from llmlab.errors import StoreError
from llmlab.events import PlanMade, PlannedStep, RunFailed, RunStarted, StepFinished, StepRecord
from llmlab.store import events, runs, sessions, steps
from llmlab.store.database import Database
from llmlab.store.steps import Step
from llmlab.store.tables import runs as runs_table
from llmlab.store.tables import unfinished
from llmlab.types import Usage


def new_step(key: str, **values: object) -> Step:
    given = {"run_id": "run_1", "tenant": "owner", "kind": "tool", "status": "done"}
    return Step(key=key, **({"started_at": 1.0} | given | values))  # type: ignore[arg-type]


async def test_runs_are_listed_newest_first_and_by_tenant(database: Database) -> None:
    made = [new_run(f"run_{number}", created_at=float(number)) for number in range(5)]
    calls = [new_run("call_1", kind="inference", durable=False, status="done", created_at=9.0)]
    await database.write(runs.add, *made, *calls, new_run("theirs", tenant="other"))
    found = await database.read(runs.listing, tenant="owner", limit=3)
    assert [run.id for run in found] == ["call_1", "run_4", "run_3"]
    older = await database.read(runs.listing, tenant="owner", before=3.0)
    assert [run.id for run in older] == ["run_2", "run_1", "run_0"]
    chats = await database.read(runs.listing, tenant="owner", kind="chat", limit=1)
    assert [run.id for run in chats] == ["run_4"]
    single = await database.read(runs.listing, tenant="owner", durable=False)
    assert [run.id for run in single] == ["call_1"]


async def test_a_run_of_another_tenant_is_not_there(database: Database) -> None:
    await database.write(runs.add, new_run())
    assert await database.read(runs.get, "run_1", tenant="other") is None
    assert await database.read(runs.get, "' OR 1=1 --", tenant="owner") is None
    assert await database.read(runs.count, tenant="other") == 0


async def test_a_run_ends_once(database: Database) -> None:
    await database.write(runs.add, new_run(), new_run("run_2", created_at=1.0))
    assert [run.id for run in await database.read(runs.unfinished)] == ["run_2", "run_1"]
    ended = await database.write(
        runs.finish,
        "run_1",
        status="done",
        seconds=1.5,
        output={"answer": "42"},
        usage=Usage(3, 4, 1),
    )
    again = await database.write(runs.finish, "run_1", status="failed", seconds=2.0)
    assert (ended, again) == (True, False)
    found = await database.read(runs.get, "run_1")
    assert found is not None
    assert (found.status, found.output, found.seconds) == ("done", {"answer": "42"}, 1.5)
    assert found.usage == Usage(3, 4, 1)
    assert [run.id for run in await database.read(runs.unfinished)] == ["run_2"]


async def test_a_step_is_written_over_by_its_end(database: Database) -> None:
    await database.write(runs.add, new_run())
    await database.write(steps.save, new_step("b", status="running", started_at=1.0))
    await database.write(steps.save, new_step("a", status="done", started_at=2.0))
    ended = new_step(
        "b",
        tool="calculator",
        node="here",
        seconds=0.5,
        output={"result": 10**30},
        usage=Usage(1, 2),
    )
    await database.write(steps.save, ended)
    found = await database.read(steps.of_run, "run_1")
    assert [step.key for step in found] == ["b", "a"]
    assert found[0] == ended


async def test_a_step_needs_its_run(database: Database) -> None:
    with pytest.raises(StoreError):
        await database.write(steps.save, new_step("a"))


async def test_steps_of_a_run_that_ended_do_not_stay_running(database: Database) -> None:
    await database.write(runs.add, new_run())
    await database.write(steps.save, new_step("a", status="running"))
    await database.write(steps.save, new_step("b"))
    await database.write(steps.close, "run_1")
    found = await database.read(steps.of_run, "run_1")
    assert [step.status for step in found] == ["failed", "done"]


async def test_tasks_tell_who_did_what_of_steps_and_single_calls(database: Database) -> None:
    call = new_run(
        "run_2", kind="inference", durable=False, status="done", node="worker-1", created_at=2.0
    )
    await database.write(runs.add, new_run(), call, new_run("run_3", tenant="other"))
    await database.write(steps.save, new_step("step-1", tool="calculator", node="coordinator"))
    await database.write(steps.save, new_step("answer", kind="answer", node="n", started_at=3.0))
    await database.write(steps.save, new_step("s", run_id="run_3", tenant="other"))
    tasks = await database.read(steps.tasks, tenant="owner")
    assert [(task.run_id, task.key, task.assignee) for task in tasks] == [
        ("run_1", "answer", "n"),
        ("run_2", "call", "worker-1"),
        ("run_1", "step-1", "calculator"),
    ]
    assert [task.kind for task in tasks] == ["answer", "inference", "tool"]
    newest = await database.read(steps.tasks, tenant="owner", limit=1)
    assert [task.key for task in newest] == ["answer"]


async def test_events_come_back_as_they_were(database: Database) -> None:
    await database.write(runs.add, new_run())
    told = [
        RunStarted(run_id="run_1", session_id="s"),
        PlanMade(plan=[PlannedStep(tool="calculator", args={"expression": "1+1"})]),
        StepFinished(step=StepRecord(key="step-1", kind="tool", output=[1, None, "x"])),
        RunFailed(run_id="run_1", message="no", code="plan_error"),
    ]
    for event in told:
        await database.write(events.add, "run_1", event)
    found = await database.read(events.after, "run_1")
    assert [stored.event for stored in found] == told
    assert [stored.number for stored in found] == [1, 2, 3, 4]
    rest = await database.read(events.after, "run_1", 2, limit=1)
    assert [stored.number for stored in rest] == [3]


async def say(database: Database, run_id: str, user: str, assistant: str | None = None) -> None:
    for role, content in (("user", user), ("assistant", assistant)):
        if content is not None:
            await database.write(
                sessions.say,
                tenant="owner",
                session_id="s",
                run_id=run_id,
                role=role,
                content=content,
            )


async def test_a_history_has_the_newest_answered_turns_oldest_first(database: Database) -> None:
    await say(database, "run_1", "one", "1")
    await say(database, "run_2", "two", "2")
    await say(database, "run_3", "unanswered")
    await say(database, "run_4", "four", "4")
    turns = await database.read(sessions.history, tenant="owner", session_id="s", turns=2)
    assert turns == [("two", "2"), ("four", "4")]


async def test_a_run_sees_the_history_of_its_beginning_however_late_it_asks(
    database: Database,
) -> None:
    await say(database, "run_1", "one", "1")
    await say(database, "run_2", "two")
    await say(database, "run_3", "three", "3")
    turns = await database.read(
        sessions.history, tenant="owner", session_id="s", turns=9, before="run_2"
    )
    assert turns == [("one", "1")]


async def test_sessions_belong_to_their_tenant(database: Database) -> None:
    await say(database, "run_1", "  hello\nthere  " + "x" * 100, "hi")
    await database.write(
        sessions.say, tenant="other", session_id="s", run_id="r", role="user", content="secret"
    )
    (mine,) = await database.read(sessions.listing, tenant="owner")
    assert mine.title.startswith("hello there xxx")
    assert len(mine.title) == 80
    assert await database.read(sessions.get, "s", tenant="owner") == mine
    assert await database.read(sessions.get, "s", tenant="nobody") is None
    said = await database.read(sessions.transcript, "s", tenant="owner")
    assert [(message.number, message.role) for message in said] == [(1, "user"), (2, "assistant")]
    newest = await database.read(sessions.transcript, "s", tenant="owner", limit=1)
    assert [message.content for message in newest] == ["hi"]


async def test_a_session_goes_with_its_messages(database: Database) -> None:
    await say(database, "run_1", "one", "1")
    assert await database.write(sessions.remove, "s", tenant="other") is False
    assert await database.write(sessions.remove, "s", tenant="owner") is True
    assert await database.read(sessions.transcript, "s", tenant="owner") == []


async def test_unfinished_runs_are_found_by_their_index(sqlite: Database) -> None:
    def plan(connection: Connection) -> str:
        query = str(select(runs_table).where(unfinished).order_by(runs_table.c.created_at))
        return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())

    assert "USING INDEX runs_unfinished" in await sqlite.read(plan)
