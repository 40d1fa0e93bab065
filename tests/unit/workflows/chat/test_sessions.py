"""Turns of one conversation: what they know of each other, and who may read it."""

import asyncio
import json
from typing import Any

from tests.chatting import ANSWER, PLAN, QUESTION, STEP, MakeLab, Model

from llmlab.protocol.lab import ChatBody
from llmlab.store import runs, sessions
from llmlab.store.database import Database
from llmlab.testing.script import Reply


async def test_sessions_keep_their_history(make_lab: MakeLab, sqlite: Database) -> None:
    model = Model(PLAN, json.dumps([STEP | {"args": {"expression": "1675 * 2"}}]))
    lab = make_lab(model=model)
    first = await lab.ask()
    assert first.session_id is not None
    second = await lab.ask("and times 2?", session_id=first.session_id)
    assert second.session_id == first.session_id
    assert second.steps[1].output == {"result": 3350}
    asked = model.prompts[2][-1]["content"]
    assert f"User: {QUESTION}\nAssistant: {ANSWER}" in asked
    assert [part["content"] for part in model.prompts[3][1:3]] == [QUESTION, ANSWER]
    said = await sqlite.read(sessions.transcript, first.session_id, tenant="owner")
    assert [message.content for message in said] == [
        QUESTION,
        ANSWER,
        "and times 2?",
        "The result is 3350.",
    ]


async def test_a_session_of_another_tenant_is_not_read(make_lab: MakeLab) -> None:
    model = Model('[{"tool": null, "instruction": "Answer."}]', answer="ok")
    lab = make_lab(model=model)
    await lab.ask("my secret is 4711", session_id="s")
    body = ChatBody(message="what is my secret?", session_id="s")
    await lab.manager.invoke(body, "other")
    assert "4711" not in json.dumps(model.prompts[2:])


async def test_a_long_history_is_shortened(make_lab: MakeLab) -> None:
    model = Model('[{"tool": null, "instruction": "Answer."}]', answer="ok " * 900)
    lab = make_lab(model=model)
    for number in range(6):
        await lab.ask(f"question {number}", session_id="s")
    asked = model.prompts[-1]
    assert sum(len(part["content"]) for part in asked) < 10_000
    assert "question 4" in json.dumps(asked)
    assert "question 1" not in json.dumps(asked)


async def test_what_does_not_fit_the_context_is_asked_with_less_history(make_lab: MakeLab) -> None:
    plain = '[{"tool": null, "instruction": "Answer."}]'

    def small(body: dict[str, Any]) -> Reply:
        if "question 0" in json.dumps(body["messages"]) and "question 2" in json.dumps(body):
            return Reply(status=400, message=overflow)
        return Reply(plain if "You plan" in body["messages"][0]["content"] else "fine")

    overflow = json.dumps({"error": {"message": "too long", "code": "context_length_exceeded"}})
    lab = make_lab(model=small)
    for number in range(3):
        result = await lab.ask(f"question {number}", session_id="s")
    assert result.answer == "fine"


async def test_a_client_that_leaves_does_not_stop_its_turn(
    make_lab: MakeLab, sqlite: Database
) -> None:
    lab = make_lab(PLAN, answer=Reply(ANSWER, delay=0.02))
    client = asyncio.create_task(lab.ask(session_id="s"))
    async with asyncio.timeout(20):
        while not lab.engine.active:
            await asyncio.sleep(0.005)
    client.cancel()
    async with asyncio.timeout(20):
        while await sqlite.read(runs.unfinished):
            await asyncio.sleep(0.01)
    said = await sqlite.read(sessions.transcript, "s", tenant="owner")
    assert [message.content for message in said] == [QUESTION, ANSWER]


async def test_many_turns_at_once_in_one_session(make_lab: MakeLab, sqlite: Database) -> None:
    lab = make_lab(PLAN)
    lab.manager.warm()
    results = await asyncio.gather(*(lab.ask(session_id="s") for _ in range(20)))
    assert all("1675" in result.answer for result in results)
    said = await sqlite.read(sessions.transcript, "s", tenant="owner")
    assert [message.number for message in said] == list(range(1, 41))
