"""Role prompts, and files read out of the habits of many models."""

from __future__ import annotations

import pytest

from llmlab.agents.prompting import (
    developer_messages,
    devops_messages,
    files_text,
    parse_files,
    product_owner_messages,
    repair_messages,
    reviewer_messages,
    writer_messages,
)

PROJECT = [("app.py", "print(1)\n"), ("test_app.py", "import unittest\n")]


def test_a_role_gets_its_own_words_and_then_the_task() -> None:
    messages = product_owner_messages("reverse a text")
    assert messages[0]["role"] == "system"
    assert "product owner" in messages[0]["content"]
    assert messages[1] == {"role": "user", "content": "Task: reverse a text"}


def test_each_role_is_told_what_it_needs() -> None:
    assert "As a user" in developer_messages("t", "As a user")[1]["content"]
    for ask in (reviewer_messages, devops_messages, writer_messages):
        content = ask("t", PROJECT)[1]["content"]
        assert content.startswith("Task: t\nFiles:\n```python file=app.py\nprint(1)\n```")


def test_a_repair_carries_the_bad_answer_and_what_the_tests_said() -> None:
    asked = developer_messages("t", "s")
    again = repair_messages(asked, "bad", "1 != 2 costs $5")
    assert again[:2] == asked
    assert again[2] == {"role": "assistant", "content": "bad"}
    assert again[3]["content"].startswith("The tests failed: 1 != 2 costs $5")


def test_files_that_are_shown_are_read_back() -> None:
    assert parse_files(files_text(PROJECT)) == PROJECT
    assert parse_files(files_text([("Dockerfile", "FROM python\n")])) == [
        ("Dockerfile", "FROM python\n")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "```python file=src/app.py\nx = 1\n```",
        '```python filename="src/app.py"\nx = 1\n```',
        "```python title='src/app.py'\nx = 1\n```",
        "```python src/app.py\nx = 1\n```",
        "```python:src/app.py\nx = 1\n```",
        "```python\n# src/app.py\nx = 1\n```",
        "```python\n# file: src/app.py\nx = 1\n```",
        "**src/app.py**\n```python\nx = 1\n```",
        "### `src/app.py`\n```python\nx = 1\n```",
        "### File: src/app.py\n\n```python\nx = 1\n```",
        "1. `src/app.py`:\n```\nx = 1\n```",
        "Here you are.\n\nsrc/app.py:\n~~~python\nx = 1\n~~~\nDone.",
        "<think>```python file=no.py\n```</think>```python file=src/app.py\nx = 1\n```",
    ],
)
def test_the_name_is_found_where_models_put_it(text: str) -> None:
    assert parse_files(text) == [("src/app.py", "x = 1\n")]


def test_a_second_version_replaces_the_first_and_unnamed_blocks_are_passed_over() -> None:
    text = (
        "```python file=a.py\n1\n```\n```bash\npython a.py\n```\n"
        "```python file=b.py\n2\n```\n```python file=a.py\n3\n```"
    )
    assert parse_files(text) == [("a.py", "3\n"), ("b.py", "2\n")]


@pytest.mark.parametrize(
    "name", ["/etc/passwd.txt", "../up.py", "a/../../b.py", "C:\\x.py", "..\\up.py", "~/x.py"]
)
def test_a_path_outside_of_the_project_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="outside of the project"):
        parse_files(f"```python file={name}\nx\n```")


@pytest.mark.parametrize("text", ["", "Sure!", "```python\nx = 1\n```", "```python file=a.py\nx"])
def test_an_answer_without_files_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="no fenced block"):
        parse_files(text)


def test_a_first_comment_stays_where_the_fence_has_told_the_name() -> None:
    assert parse_files("```python file=a.py\n# b.py\n1\n```") == [("a.py", "# b.py\n1\n")]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text",
    ["```python\n" * 100_000, "a." * 200_000 + "\n```\n", "``` " + "x" * 300_000, "~~~\n" * 99_999],
    ids=["openings", "name", "info", "empty blocks"],
)
def test_hostile_answers_cost_little_time(text: str) -> None:
    with pytest.raises(ValueError, match="no fenced block"):
        parse_files(text)
