"""Samples of the software team: stories, code with tests, review, packaging and README."""

from __future__ import annotations

import builtins
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from keyword import iskeyword
from pathlib import Path

from llmlab.agents.prompting import (
    developer_messages,
    devops_messages,
    files_text,
    product_owner_messages,
    reviewer_messages,
    writer_messages,
)
from training.data.lists import listed
from training.data.phrasing import Source
from training.data.sample import Sample
from training.data.words import NOUNS, Words

_VERBS = listed("verbs")
_FOLDER = Path(__file__).with_name("corpus") / "team"
_SECTION = re.compile(r"^== (\w+)\n", re.MULTILINE)
_KINDS = ("stories", *("code",) * 4, "review", "devops", "readme")
_NAMING = (
    "{}. Call it {}.",
    "{}, named {}",
    "{}. Name: {}",
    "{} - {} would be a good name",
    "{}. The name has to be {}, other code expects it.",
    "{} ({})",
    "{1}: {0}",
    "we need {1}. {0}",
    "please add `{1}`: {0}",
)
_CODE, _TESTS = "app.py", "test_app.py"


@dataclass(frozen=True)
class Task:
    """A small program that the team is asked for; `%name%` stands for the name of its centre.

    Attributes:
        title: What it is, in a few words; heads its README.
        names: What its function, class or endpoint may be called; the first if nothing is said.
        form: `function`, `rest` or `script`: how it is packaged.
        wordings: Ways to ask for it.
        about: One sentence for the README.
        stories: User stories with acceptance criteria.
        review: Notes on the code.
        code: The program.
        tests: Its tests.
    """

    title: str
    names: tuple[str, ...]
    form: str
    wordings: tuple[str, ...]
    about: str
    stories: str
    review: str
    code: str
    tests: str

    def files(self, name: str) -> list[tuple[str, str]]:
        """The code and its tests, with this name."""
        pairs = ((_CODE, self.code), (_TESTS, self.tests))
        return [(path, named(text, name)) for path, text in pairs]


def named(text: str, name: str) -> str:
    """Puts the name in its places."""
    return text.replace("%name%", name)


@cache
def tasks() -> tuple[Task, ...]:
    """All tasks of the corpus, in a fixed order."""
    return tuple(read_task(path.read_text("utf-8")) for path in sorted(_FOLDER.glob("*.txt")))


def read_task(text: str) -> Task:
    """A task from its file: sections that begin with `== section`."""
    parts = _SECTION.split(text)[1:]
    found = {key: body.strip() for key, body in zip(parts[::2], parts[1::2], strict=True)}
    title, form, names, about = found["task"].splitlines()
    wordings = tuple(line.strip() for line in found["wordings"].splitlines() if line.strip())
    return Task(
        title, tuple(names.split()), form, wordings, about,
        found["stories"], found["review"], found["code"], found["tests"],
    )  # fmt: skip


def team_sample(source: Source, words: Words) -> Sample:
    """What one role is asked about one task, and what it writes."""
    task = source.rng.choice(tasks())
    wording = source.phrase(task.wordings)
    if "%name%" not in wording and source.chance(0.3):
        wording = source.rng.choice(_NAMING).format(wording.rstrip("?. "), "%name%")
    name = task.names[0]
    if "%name%" in wording:
        name = _new_name(source, words) if source.chance(0.5) else source.rng.choice(task.names)
    return role_sample(source.rng.choice(_KINDS), task, named(wording, name), name)


def _new_name(source: Source, words: Words) -> str:
    """A name that says nothing, or something else: what a user calls it is not to be judged."""
    rng = source.rng
    parts = [rng.choice((rng.choice(NOUNS), rng.choice(_VERBS), words.made_up())) for _ in range(3)]
    name = "_".join(parts[: rng.choice((1, 2, 2, 2, 3))]) + rng.choice(
        ("", "", "", "s", "_of", "2")
    )
    usable = name.isascii() and not iskeyword(name) and not hasattr(builtins, name)
    return name if usable else "my_name"


def role_sample(kind: str, task: Task, asked: str, name: str) -> Sample:
    """The sample of one role."""
    files, stories = task.files(name), named(task.stories, name)
    if kind == "stories":
        return Sample("team-stories", product_owner_messages(asked), stories)
    if kind == "code":
        return Sample("team-code", developer_messages(asked, stories), files_text(files))
    if kind == "review":
        return Sample("team-review", reviewer_messages(asked, files), named(task.review, name))
    if kind == "devops":
        answer = files_text(packaging(task.form))
        return Sample("team-devops", devops_messages(asked, files), answer)
    answer = files_text([("README.md", readme(task, name))])
    return Sample("team-readme", writer_messages(asked, files), answer)


_NEEDS = {"rest": "fastapi uvicorn httpx"}
_COMMANDS = {
    "function": ("python", "-m", "unittest"),
    "rest": ("uvicorn", "app:app", "--host", "0.0.0.0"),
    "script": ("python", "app.py", "--help"),
}
_RUN = {
    "function": 'python -c "import app"',
    "rest": "uvicorn app:app",
    "script": "python app.py --help",
}


def packaging(form: str) -> list[tuple[str, str]]:
    """The Dockerfile and the CI file of a form of program."""
    needs = _NEEDS.get(form)
    install = [f"RUN pip install --no-cache-dir {needs}"] if needs else []
    command = ", ".join(f'"{word}"' for word in _COMMANDS[form])
    docker = ["FROM python:3.12-slim", "WORKDIR /app", *install, "COPY . .",
              "RUN useradd app", "USER app", f"CMD [{command}]"]  # fmt: skip
    return [("Dockerfile", "\n".join(docker)), (".github/workflows/ci.yml", _workflow(needs))]


def _workflow(needs: str | None) -> str:
    lines: Sequence[str] = (
        "name: ci",
        "on: [push, pull_request]",
        "jobs:",
        "  test:",
        "    runs-on: ubuntu-latest",
        "    steps:",
        "      - uses: actions/checkout@v4",
        "      - uses: actions/setup-python@v5",
        "        with:",
        '          python-version: "3.12"',
        *([f"      - run: pip install {needs}"] if needs else []),
        "      - run: python -m unittest",
    )
    return "\n".join(lines)


def readme(task: Task, name: str) -> str:
    """The README of a task."""
    run = _RUN[task.form]
    if task.form == "function":
        run = f'python -c "from app import {name}"'
    return (
        f"# {task.title}\n\n{named(task.about, name)}\n\n"
        f"## Run\n\n    {run}\n\n## Test\n\n    python -m unittest"
    )
