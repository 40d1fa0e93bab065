"""The software team's training data: programs that run, in a form that the product reads."""

import random

import pytest
from training.data.phrasing import Source
from training.data.team import role_sample, tasks, team_sample
from training.data.words import Words
from training.evaluate.programs import passes_tests

from llmlab.agents.prompting import files_text, parse_files


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.title)
def test_every_program_passes_its_tests_under_another_name(task):
    assert passes_tests(task.files(task.names[-1]))


def test_a_broken_program_is_noticed():
    code, tests = tasks()[0].files("broken")
    assert not passes_tests([(code[0], "raise SystemExit(0)\n"), tests])
    assert not passes_tests([code])


@pytest.mark.parametrize("kind", ["code", "devops", "readme"])
def test_files_are_read_back_as_they_were_written(kind):
    for task in tasks():
        files = parse_files(role_sample(kind, task, "a task", task.names[0]).answer)
        assert files
        assert parse_files(files_text(files)) == files


def test_a_name_that_the_user_gives_is_the_programs_name():
    source = Source(random.Random(3))
    for _ in range(100):
        sample = team_sample(source, Words(source.rng))
        assert "%name%" not in sample.answer + str(sample.messages)
