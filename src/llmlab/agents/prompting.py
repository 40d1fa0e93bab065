"""Renders the prompts of the software team's roles, and reads files out of their answers.

Fixed words come first and any instruction-following model can stand behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from string import Template

ChatMessages = list[dict[str, str]]
ProjectFiles = Sequence[tuple[str, str]]

# Model output is hostile: each pattern sees one line, and none that is longer than this.
_LONGEST_LINE = 300
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([^`]*)")
_NAME = r"(?P<name>[^\s\"'`*]*\w\.[\w+-]+|[\w./-]*(?:Dockerfile|Makefile|LICENSE))"
# A name after the language, in a first comment, or in the line above the block.
_IN_FENCE = re.compile(rf"(?:(?:file|filename|path|title)\s*[=:]\s*)?[\"']?{_NAME}[\"']?")
_IN_COMMENT = re.compile(
    rf"(?:#|//|--|<!--|;)[ \t]*(?:file(?:name)?[ \t]*:?[ \t]*)?{_NAME}[ \t]*(?:-->)?[ \t]*"
)
_ABOVE = re.compile(
    rf"[ \t]*(?:[#>*-]+[ \t]*|\d+[.)][ \t]*)*(?:file(?:name)?[ \t]*:?[ \t]*)?"
    rf"[*_`\"']*{_NAME}[*_`\"']*[ \t]*:?[*_`]*[ \t]*",
    re.IGNORECASE,
)


def product_owner_messages(task: str) -> ChatMessages:
    """Asks for user stories with acceptance criteria."""
    return _asked("product_owner", f"Task: {task}")


def developer_messages(task: str, stories: str) -> ChatMessages:
    """Asks for the program and its tests."""
    return _asked("developer", f"Task: {task}\nStories:\n{stories}")


def reviewer_messages(task: str, project: ProjectFiles) -> ChatMessages:
    """Asks for review notes on the files, given as (path, content)."""
    return _asked("reviewer", f"Task: {task}\nFiles:\n{files_text(project)}")


def devops_messages(task: str, project: ProjectFiles) -> ChatMessages:
    """Asks for a Dockerfile and a CI file, given the files as (path, content)."""
    return _asked("devops", f"Task: {task}\nFiles:\n{files_text(project)}")


def writer_messages(task: str, project: ProjectFiles) -> ChatMessages:
    """Asks for a README, given the files as (path, content)."""
    return _asked("writer", f"Task: {task}\nFiles:\n{files_text(project)}")


def repair_messages(asked: ChatMessages, answer: str, problem: str) -> ChatMessages:
    """Asks the developer once more.

    Args:
        asked: The messages that were answered badly.
        answer: That answer.
        problem: What its tests said.
    """
    again = Template(_prompt("repair")).safe_substitute(problem=problem)
    return [*asked, {"role": "assistant", "content": answer}, _user(again)]


def files_text(project: ProjectFiles) -> str:
    """Files as fenced blocks, in the form that roles are asked to answer in."""
    return "\n".join(_block(path, content) for path, content in project)


def parse_files(text: str) -> list[tuple[str, str]]:
    """Reads the files out of an answer, tolerantly.

    The name of a file may stand after the language, in a first comment or in the line above its
    block. Blocks without a name are passed over; of blocks with the same name the last counts.

    Returns:
        (relative path, content) in the order of first mention.

    Raises:
        ValueError: A path leaves the project's folder, or there is no named block at all.
    """
    found: dict[str, str] = {}
    for info, above, body in _blocks(text.rpartition("</think>")[2].split("\n")):
        comment = _match(_IN_COMMENT, body[0]) if body else None
        told = _told(info, above)
        if name := told or comment:
            # A comment is dropped only where it is what told the name.
            found[_safe(name)] = "".join(f"{line}\n" for line in body[0 if told else 1 :])
    if not found:
        raise ValueError("the answer has no fenced block with a file name")
    return list(found.items())


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Closed fenced blocks: what follows the fence, the last line before it, the lines inside."""
    above, info, fence = "", "", ""
    body: list[str] = []
    for line in lines:
        if fence:
            if line.strip() == fence:
                yield info, above, body
                above, fence, body = "", "", []
            else:
                body.append(line)
        elif len(line) <= _LONGEST_LINE and (opening := _FENCE.fullmatch(line)):
            fence, info = opening[1], opening[2].strip()
        elif line.strip():
            above = line


def _told(info: str, above: str) -> str | None:
    """The name that the fence tells, or the line above it."""
    language, _, rest = info.partition(" ")
    words = rest.split() if rest else [language.partition(":")[2]]
    named = (_match(_IN_FENCE, word) for word in words)
    return next(filter(None, named), None) or _match(_ABOVE, above)


def _match(pattern: re.Pattern[str], line: str) -> str | None:
    match = pattern.fullmatch(line) if len(line) <= _LONGEST_LINE else None
    return match["name"] if match else None


def _safe(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:|~", name):
        raise ValueError(f"the file {name!r} lies outside of the project")
    return str(path)


def _block(path: str, content: str) -> str:
    body = content if content.endswith("\n") else f"{content}\n"
    return f"```{_language(path)} file={path}\n{body}```"


def _language(path: str) -> str:
    endings = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".md": "markdown"}
    if PurePosixPath(path).name == "Dockerfile":
        return "dockerfile"
    return endings.get(PurePosixPath(path).suffix, "text")


def _asked(role: str, request: str) -> ChatMessages:
    return [{"role": "system", "content": _prompt(role)}, _user(request)]


def _user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


@cache
def _prompt(name: str) -> str:
    path = files(__package__) / "roles" / "prompts" / f"{name}.txt"
    return path.read_text(encoding="utf-8").strip()
