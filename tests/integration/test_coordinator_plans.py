"""Planning with other models: answers of the kinds that larger ones give, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.labs import running_lab

from llmlab.testing import Reply, ScriptedServer
from llmlab.types import ToolCall

QUESTION = "What is 25 * 67?"
STEP = {"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": "Multiply."}
PLAN = json.dumps({"steps": [STEP]}, indent=2)
CALL = '{"name": "calculator", "arguments": {"expression": "25 * 67"}}'
KINDS = {
    "fenced": Reply(f"Here is the plan:\n\n```json\n{PLAN}\n```\n\nShall I go on?"),
    "prose around it": Reply(f"First I multiply: {PLAN} Then I tell you."),
    "thoughts before it": Reply(f"<think>A product. {{1}}?</think>{PLAN}"),
    "native call": Reply(tool_calls=(ToolCall("c1", "calculator", '{"expression": "25 * 67"}'),)),
    "call in text": Reply(f"<tool_call>\n{CALL}\n</tool_call>"),
    "extra fields": Reply(
        json.dumps({"goal": "product", "steps": [STEP | {"id": 1, "why": "asked", "needs": []}]})
    ),
    "other names": Reply(json.dumps([{"name": "calculator", "parameters": STEP["args"]}])),
}


async def chat(tmp_path: Path, *plans: Reply) -> tuple[dict[str, Any], list[str]]:
    """Asks a lab whose only model gives these plans, and then words; and what it was asked."""
    left = list(plans)

    def reply(body: dict[str, Any]) -> Reply:
        if "response_format" in body:
            return left.pop(0)
        return Reply("It is 1675." if "1675" in json.dumps(body["messages"]) else "No idea.")

    async with (
        ScriptedServer(models=["m"], reply_with=reply) as server,
        running_lab(tmp_path, external_nodes=[server.url]) as lab,
    ):
        await lab.until_served("m")
        answer = await lab.client.post("/chat", json={"message": QUESTION})
        assert answer.status_code == 200, answer.text
        asked = [
            seen.body["messages"][-1]["content"]
            for seen in server.requests
            if "messages" in seen.body
        ]
        return answer.json(), asked


@pytest.mark.parametrize("kind", KINDS)
async def test_a_plan_in_any_of_these_forms_is_carried_out(tmp_path: Path, kind: str) -> None:
    result, _ = await chat(tmp_path, KINDS[kind])
    assert result["answer"] == "It is 1675."
    assert [step["key"] for step in result["steps"]] == ["plan", "step-1", "answer"]


async def test_a_bad_plan_is_repaired_by_the_same_prompts(tmp_path: Path) -> None:
    wrong = Reply(json.dumps({"steps": [STEP | {"args": {"expression": "25 * 76"}}]}))
    result, asked = await chat(tmp_path, wrong, KINDS["fenced"])
    assert result["answer"] == "It is 1675."
    assert [step["key"] for step in result["steps"]] == ["plan", "repair", "step-1", "answer"]
    assert any("step 1 uses 76" in content for content in asked)
