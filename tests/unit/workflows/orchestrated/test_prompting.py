"""What the analyzer and the validator are asked, and how their answers are read."""

from __future__ import annotations

import json

import pytest

from llmlab.workflows.orchestrated.prompting import (
    KINDS,
    Verdict,
    analyzer_messages,
    analyzer_schema,
    parse_kind,
    parse_verdict,
    validator_messages,
    validator_schema,
)


def test_the_analyzer_gets_fixed_words_first_and_the_request_last():
    first, second = analyzer_messages("hi"), analyzer_messages("2 + 2?", [("hello", "Hello!")])

    assert first[0] == second[0]
    assert all(kind in first[0]["content"] for kind in KINDS)
    assert second[-1]["content"] == (
        "Conversation so far:\nUser: hello\nAssistant: Hello!\n\nRequest: 2 + 2?"
    )


def test_the_validator_sees_request_results_and_answer():
    messages = validator_messages("2 + 2?", "It is 4.", [("Add.", "calculator", "4")])

    assert messages[-1]["content"] == (
        "Request: 2 + 2?\nResults:\n1. Add. (calculator): 4\nAnswer: It is 4."
    )


def test_the_schemas_name_what_is_read():
    assert analyzer_schema()["properties"]["kind"]["enum"] == list(KINDS)
    assert validator_schema()["required"] == ["ok", "score", "feedback"]


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "code"}',
        '```json\n{"kind": "Code"}\n```',
        'Sure! {"type": "code", "confidence": 0.9} is it.',
        "code",
        "Code.",
        "I'd say this is **code**",
        '<think>a question? or chat?</think>{"kind": "code"}',
        'Given {x}: {"kind": "code"}',
    ],
)
def test_a_kind_is_read_from_what_models_write(text: str):
    assert parse_kind(text) == "code"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no kind"),
        ("hello there", "no kind"),
        ("a question or a search", "several kinds: question, search"),
        ('{"kind": "poem"}', "'poem' is no kind"),
        ('{"answer": 4}', "no kind"),
        ("{" * 5000, "no kind"),
    ],
)
def test_what_is_wrong_with_a_kind_is_said(text: str, problem: str):
    with pytest.raises(ValueError, match=problem):
        parse_kind(text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_read(kind: str):
    assert parse_kind(json.dumps({"kind": kind})) == kind


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"ok": true, "score": 10, "feedback": ""}', Verdict(True, 10)),
        ('```\n{"ok": false, "score": 2, "feedback": " No. "}\n```', Verdict(False, 2, "No.")),
        ('My verdict: {"ok": "yes", "score": "8/10"}', Verdict(True, 8)),
        ('{"valid": false, "reason": "It is 42."}', Verdict(False, 0, "It is 42.")),
        ('{"ok": true}', Verdict(True, 10)),
        ('{"ok": false, "score": 99, "feedback": null}', Verdict(False, 10)),
        ('{"score": 1} {"ok": false, "score": -3}', Verdict(False, 0)),
        ("<think>{}</think>" + '{"ok": true, "score": 7.6}', Verdict(True, 8)),
    ],
)
def test_a_verdict_is_read_from_what_models_write(text: str, verdict: Verdict):
    assert parse_verdict(text) == verdict


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON object"),
        ("looks fine", "no JSON object"),
        ('{"score": 3}', 'no "ok"'),
        ('{"ok": tru', "malformed"),
        ('{"ok": "perhaps"}', "true or false"),
        ('{"ok": true, "score": "high"}', "from 0 to 10"),
        ("{" * 5000, "malformed"),
    ],
)
def test_what_is_wrong_with_a_verdict_is_said(text: str, problem: str):
    with pytest.raises(ValueError, match=problem):
        parse_verdict(text)
