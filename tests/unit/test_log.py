"""Log lines are JSON and show no secret."""

import json
import logging

import pytest

from llmlab import log


@pytest.fixture(autouse=True)
def _restored_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


def lines(folder, component):
    return [json.loads(line) for line in (folder / f"{component}.log").read_text().splitlines()]


def test_a_record_is_one_json_line_with_its_fields(tmp_path):
    log.configure("worker", folder=tmp_path, console=False)
    log.get_logger("llmlab.x").info("loaded", extra={"model": "lab-mini", "seconds": 0.5})
    (line,) = lines(tmp_path, "worker")
    assert (line["message"], line["model"], line["seconds"]) == ("loaded", "lab-mini", 0.5)
    assert (line["level"], line["logger"]) == ("info", "llmlab.x")


def test_an_exception_is_part_of_its_line(tmp_path):
    log.configure("worker", folder=tmp_path, console=False)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.get_logger("llmlab.x").exception("failed")
    (line,) = lines(tmp_path, "worker")
    assert "RuntimeError: broken" in line["error"]


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary-1234567890",
        '{"api_key": "canary-1234567890"}',
        "http://x/?token=canary-1234567890",
        "password=canary-1234567890",
        "sk-canary-1234567890abc",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text):
    assert "canary" not in log.redact(text)


def test_a_known_secret_is_hidden_anywhere(tmp_path):
    log.hide("unlike-any-pattern")
    log.configure("worker", folder=tmp_path, console=False)
    log.get_logger("x").warning("it is unlike-any-pattern", extra={"also": "unlike-any-pattern"})
    assert "unlike-any-pattern" not in (tmp_path / "worker.log").read_text()


def test_ordinary_text_stays():
    text = "model lab-mini loaded in 0.12 s; max_tokens=256"
    assert log.redact(text) == text


def test_warnings_reach_the_console_without_secrets(capsys):
    log.configure("cli", folder=None)
    log.get_logger("x").info("quiet")
    log.get_logger("x").warning("token: canary-1234567890")
    shown = capsys.readouterr().err
    assert "quiet" not in shown
    assert "canary" not in shown
    assert "WARNING" in shown


def test_the_console_says_why(capsys):
    log.configure("cli", folder=None)
    log.get_logger("x").warning("not in the lab", extra={"reason": "it refused"})
    assert capsys.readouterr().err == "WARNING: not in the lab (reason: it refused)\n"
