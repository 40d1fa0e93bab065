"""Questions and conversations, against a lab that answers from a table."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

PLAN = [{"tool": "calculator", "args": {"expression": "25 * 67"}, "instruction": ""}]
STEPS = [
    {"key": "plan", "kind": "plan", "node": "worker-1", "cache_hit": True, "seconds": 0.1},
    {
        "key": "step-1",
        "kind": "tool",
        "tool": "calculator",
        "node": "coordinator",
        "output": {"result": 1675},
    },
]
USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
RUN = {"type": "run", "run_id": "run_1", "session_id": "s1"}
DONE = {
    "type": "done",
    "run_id": "run_1",
    "session_id": "s1",
    "answer": "It is 1675.",
    "plan": PLAN,
    "steps": STEPS,
    "usage": USAGE,
}
STREAM = [
    RUN,
    {"type": "plan", "plan": PLAN},
    {"type": "step", "step": STEPS[1]},
    {"type": "token", "text": "It is "},
    {"type": "token", "text": "1675."},
    DONE,
]


class Terminal(io.StringIO):
    """Standard input or output as a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_the_answer_alone(run: Any, lab: Any) -> None:
    lab.answers["POST /chat"] = STREAM
    shown = run("chat", "What is 25 * 67?")
    assert (shown.code, shown.out, shown.err) == (0, "It is 1675.\n", "")
    assert lab.asked[-1][1]["message"] == "What is 25 * 67?"
    assert lab.asked[-1][1]["stream"] is True


def test_a_terminal_sees_plan_and_origin(
    run: Any, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.answers["POST /chat"] = STREAM
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    run("chat", "What is 25 * 67?")
    shown = screen.getvalue()
    assert "calculator(expression='25 * 67')" in shown
    assert "calculator → 1675" in shown
    assert "tool calculator" in shown
    assert "node worker-1" in shown
    assert "1 of 2 steps from the cache" in shown


def test_options_reach_the_lab(run: Any, lab: Any) -> None:
    lab.answers["POST /chat"] = STREAM
    run("chat", "Hello", "--model", "m", "--session", "s9", "--no-cache")
    asked = lab.asked[-1][1]
    assert (asked["model"], asked["session_id"], asked["cache"]) == ("m", "s9", False)


def test_json_gives_the_whole_result(run: Any, lab: Any) -> None:
    lab.answers["POST /chat"] = {key: value for key, value in DONE.items() if key != "type"}
    shown = run("chat", "What is 25 * 67?", "--json")
    assert shown.json["answer"] == "It is 1675."
    assert shown.json["steps"][1]["tool"] == "calculator"
    assert lab.asked[-1][1]["stream"] is False


def test_a_plan_is_shown_and_not_run(run: Any, lab: Any) -> None:
    steps = [*PLAN, {"tool": None, "args": {}, "instruction": "Say it in French."}]
    lab.answers["POST /chat"] = {
        "answer": "",
        "run_id": "run_1",
        "plan": steps,
        "steps": [],
        "usage": {},
    }
    shown = run("chat", "--plan", "What is 25 * 67 in French?")
    assert shown.out == "1. calculator(expression='25 * 67')\n2. Say it in French.\n"
    assert lab.asked[-1][1]["dry_run"] is True


def test_an_answer_that_was_not_streamed_is_shown(run: Any, lab: Any) -> None:
    lab.answers["POST /chat"] = [RUN, DONE]
    assert run("chat", "?").out == "It is 1675.\n"


def test_a_failed_run_ends_with_its_error(run: Any, lab: Any) -> None:
    lab.answers["POST /chat"] = [
        RUN,
        {"type": "token", "text": "It"},
        {
            "type": "error",
            "run_id": "run_1",
            "message": "The engine ended.",
            "code": "engine_crashed",
        },
    ]
    shown = run("chat", "?")
    assert (shown.code, shown.out, shown.err) == (1, "It\n", "Error: The engine ended.\n")


def test_a_stream_that_breaks_off_is_an_error(run: Any, lab: Any) -> None:
    lab.answers["POST /chat"] = STREAM[:-1]
    shown = run("chat", "?")
    assert shown.code == 1
    assert "before it was complete" in shown.err


def test_control_characters_of_a_model_are_not_shown(run: Any, lab: Any) -> None:
    lab.answers["POST /chat"] = [RUN, {"type": "token", "text": "a\x1b]0;x\x07b\nc"}, DONE]
    assert run("chat", "?").out == "a]0;xb\nc\n"


def test_a_piped_question(run: Any, lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.answers["POST /chat"] = STREAM
    monkeypatch.setattr(sys, "stdin", io.StringIO("What is\n25 * 67?\n"))
    assert run("chat").out == "It is 1675.\n"
    assert lab.asked[-1][1]["message"] == "What is\n25 * 67?"


def test_an_empty_question_is_wrong_usage(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run("chat").code == 2
    assert run("chat", "  ").code == 2


def test_a_conversation_keeps_its_session(
    run: Any, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.answers["POST /chat"] = STREAM
    lab.answers["GET /models"] = {"models": [{"id": "lab-mini", "engine": "x", "demo": True}]}
    lines = "One\n\n/model m2\nTwo\n/new\nThree\n/nonsense\n/quit\n"
    monkeypatch.setattr(sys, "stdin", Terminal(lines))
    shown = run("chat")
    assert shown.code == 0
    assert shown.out.count("It is 1675.") == 3
    assert "Only lab-mini is there, a demo model" in shown.err
    bodies = [body for request, body in lab.asked if request == "POST /chat"]
    assert [body.get("session_id") for body in bodies] == [None, "s1", None]
    assert [body.get("model") for body in bodies] == [None, "m2", "m2"]


def test_a_conversation_survives_an_error(
    run: Any, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.answers["GET /models"] = {"models": []}
    lab.fail("POST /chat", 503, "No worker is there.", "no_worker")
    monkeypatch.setattr(sys, "stdin", Terminal("One\nTwo\n"))
    shown = run("chat")
    assert shown.code == 0
    assert shown.err.count("Error: No worker is there.") == 2
