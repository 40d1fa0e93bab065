"""What each role of the team is asked, and the files that are read from an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath

Files = Sequence[tuple[str, str]]
Messages = list[dict[str, str]]

_PROMPTS = Path(__file__).parent / "roles" / "prompts"
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\n`]*)$")
_NAMED = re.compile(r"(?:file(?:name)?|path|title)\s*[=:]\s*[\"']?([^\s\"']+)", re.IGNORECASE)
_COMMENT = re.compile(
    r"^\s*(?:#|//|--|<!--)\s*(?:file(?:name)?:\s*)?(\S+?)\s*(?:-->)?\s*$", re.IGNORECASE
)
_PATH = re.compile(r"(?:[\w.\-]*[\\/])*[\w.\-]*(?:\.\w+|Dockerfile|Makefile|LICENSE)")
_LABEL = re.compile(r"^(?:#+|[-*]|\d+[.)])?\s*(?:file(?:name)?\s*:)?\s*", re.IGNORECASE)


def product_owner_messages(task: str) -> Messages:
    """Asks for user stories with acceptance criteria."""
    return _asked("product_owner", f"Task: {task}")


def developer_messages(task: str, stories: str) -> Messages:
    """Asks for code and tests, as files."""
    return _asked("developer", f"Task: {task}\n\n{stories.strip()}")


def reviewer_messages(task: str, files: Files) -> Messages:
    """Asks for review notes."""
    return _asked("reviewer", f"Task: {task}\n\n{files_text(files)}")


def devops_messages(task: str, files: Files) -> Messages:
    """Asks for a Dockerfile and a CI file."""
    return _asked("devops", f"Task: {task}\n\n{files_text(files)}")


def writer_messages(task: str, files: Files) -> Messages:
    """Asks for a README."""
    return _asked("writer", f"Task: {task}\n\n{files_text(files)}")


def repair_messages(task: str, files: Files, problem: str) -> Messages:
    """Asks the developer for the files again, after their tests failed."""
    text = f"Task: {task}\n\n{files_text(files)}\n\nThe tests fail:\n{problem.strip()}\n\n"
    return _asked("developer", text + "Write all files again, without this mistake.")


def files_text(files: Files) -> str:
    """Files as fenced blocks with their names: the form in which roles write and read them."""
    return "\n\n".join(
        f"```{language(path)} file={path}\n{content.strip()}\n```" for path, content in files
    )


def language(path: str) -> str:
    """The word that opens the fence of a file."""
    name = PurePosixPath(path)
    known = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".md": "markdown"}
    return known.get(name.suffix, name.name.lower() if not name.suffix else name.suffix[1:])


def parse_files(text: str) -> list[tuple[str, str]]:
    """The named files in an answer; blocks without a name are left out, the last of a name wins.

    Raises:
        ValueError: A name is absolute or leaves the folder.
    """
    files: dict[str, str] = {}
    lines, at = text.splitlines(), 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if not opened:
            at += 1
            continue
        before = next((line for line in reversed(lines[:at]) if line.strip()), "")
        end = _end(lines, at + 1, opened[1])
        body = lines[at + 1 : end]
        path, body = _named(opened[2], before, body)
        if path:
            files[_safe(path)] = "\n".join(body).strip("\n") + "\n"
        at = end + 1
    return list(files.items())


def _end(lines: Sequence[str], start: int, fence: str) -> int:
    """Index of the line that closes the block; the end of the text if none does."""
    for at in range(start, len(lines)):
        line = lines[at].strip()
        if line.startswith(fence) and not line.strip(fence[0]):
            return at
    return len(lines)


def _named(info: str, before: str, body: list[str]) -> tuple[str | None, list[str]]:
    """A block's path, from its fence, its first line or the line before, and its content."""
    if match := _NAMED.search(info):
        return match[1], body
    for word in re.split(r"[\s:]+", info)[1:] or [info]:
        if _PATH.fullmatch(word):
            return word, body
    if body and (match := _COMMENT.match(body[0])) and _PATH.fullmatch(match[1]):
        return match[1], body[1:]
    label = _LABEL.sub("", before.strip().replace("**", "")).strip("`*: ")
    return (label if _PATH.fullmatch(label) else None), body


def _safe(path: str) -> str:
    windows = PureWindowsPath(path)
    if windows.drive or windows.root or ".." in windows.parts:
        raise ValueError(f"the file name {path!r} leaves the folder of the project")
    return str(PurePosixPath(*windows.parts))


def _asked(role: str, content: str) -> Messages:
    return [{"role": "system", "content": _prompt(role)}, {"role": "user", "content": content}]


@cache
def _prompt(role: str) -> str:
    return (_PROMPTS / f"{role}.txt").read_text(encoding="utf-8").strip()
