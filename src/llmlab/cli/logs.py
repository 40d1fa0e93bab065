"""``llmlab logs``: what the lab's processes wrote, newest last."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from llmlab.cli.options import AsJson, Home, new_app, read_settings
from llmlab.cli.output import clock, note, say
from llmlab.errors import NotFoundError

app = new_app()

Places: TypeAlias = dict[Path, tuple[int, int]]

_STYLES = {"warning": "yellow", "error": "red", "critical": "bold red", "debug": "dim"}
_SHOWN = ("time", "level", "logger", "message")


@app.command()
def logs(
    component: Annotated[
        str | None, typer.Argument(help="One component, such as coordinator; else all.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest log lines of the lab on this machine."""
    folder = read_settings(home).logs_folder
    places = _places(folder)
    newest = sorted(
        (line for path in _files(folder, component) for line in _tail(path, lines, places)),
        key=_time,
    )
    for line in newest[-lines:] if lines else ():
        _show(line, as_json=as_json)
    if follow:
        note("Waiting for more; Ctrl-C ends.")
        for line in _follow(folder, component, places):
            _show(line, as_json=as_json)


def _files(folder: Path, component: str | None) -> list[Path]:
    found = _all_files(folder)
    files = [path for path in found if component in (None, path.stem)]
    if not files:
        names = ", ".join(dict.fromkeys(path.stem for path in found)) or "none yet"
        raise NotFoundError(
            f"There is no log of {component} in {folder}; there are: {names}."
            if component
            else f"There are no logs in {folder}. Start the lab with `llmlab up`."
        )
    return files


def _all_files(folder: Path) -> list[Path]:
    """Return the logs, and what processes said on stderr, such as the words of a crash."""
    return sorted((*folder.glob("*.log"), *folder.glob("*.err")))


def _places(folder: Path) -> Places:
    """Return each log's inode and size: what is after that is shown by following."""
    facts = {path: path.stat() for path in _all_files(folder)}
    return {path: (fact.st_ino, fact.st_size) for path, fact in facts.items()}


def _tail(path: Path, count: int, places: Places) -> list[dict[str, Any]]:
    _, size = places.get(path, (0, 0))
    with path.open("rb") as file:
        lines = file.read(size).decode(errors="replace").splitlines()
    return [_parsed(line, path) for line in lines[-count:]] if count else []


def _parsed(line: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    fields = content if isinstance(content, dict) else {"message": line.rstrip("\n")}
    return {"component": path.stem, **fields}


def _time(line: dict[str, Any]) -> float:
    value = line.get("time")
    return float(value) if isinstance(value, int | float) else 0.0


def _follow(folder: Path, component: str | None, places: Places) -> Iterator[dict[str, Any]]:
    """Yield lines as they are written, through rotations and new components."""
    while True:
        for path in _files(folder, component):
            inode, offset = places.get(path, (0, 0))
            facts = path.stat()
            if facts.st_ino != inode or facts.st_size < offset:
                offset = 0
            with path.open("rb") as file:
                file.seek(offset)
                whole = file.read()
            # The last line may not be complete yet; then it is read again.
            whole = whole[: whole.rfind(b"\n") + 1]
            places[path] = (facts.st_ino, offset + len(whole))
            for line in whole.splitlines():
                yield _parsed(line.decode(errors="replace"), path)
        time.sleep(0.2)


def _show(line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    level = str(line.get("level", "info"))
    extra = {name: value for name, value in line.items() if name not in (*_SHOWN, "component")}
    fields = "".join(f" {name}={value}" for name, value in extra.items())
    text = f"{clock(_time(line))} {line['component']} {level}: {line.get('message', '')}{fields}"
    say(text, _STYLES.get(level))
