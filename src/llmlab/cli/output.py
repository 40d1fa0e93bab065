"""How the command line shows things: for people in colour, for pipes as plain text, or as JSON.

Rich is imported where a terminal is there to profit from it.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# Control characters but newline and tab, and the marks that turn the direction of a line.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """Remove control characters: what a model or a node says must not steer the terminal."""
    return _STEERING.sub("", text)


def console(*, stderr: bool = False) -> Console:
    """Return a Rich console that interprets no markup in the texts that it is given."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True)


def say(text: str = "", style: str | None = None, *, end: str = "\n") -> None:
    """Print a text, styled where a terminal reads it."""
    if style and sys.stdout.isatty():
        console().print(safe(text), style=style, end=end)
    else:
        sys.stdout.write(safe(text) + end)
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a remark on stderr, so that it is never part of a command's output."""
    if sys.stderr.isatty():
        console(stderr=True).print(safe(text), style="dim")
    else:
        print(safe(text), file=sys.stderr)  # noqa: T201 - this is the command line


def complain(message: str) -> None:
    """Print an error on stderr; its further lines are what the user can do."""
    first, _, rest = safe(message).partition("\n")
    if sys.stderr.isatty():
        target = console(stderr=True)
        target.print("Error: ", style="bold red", end="")
        target.print(first)
        if rest:
            target.print(rest)
    else:
        print(f"Error: {first}" + (f"\n{rest}" if rest else ""), file=sys.stderr)  # noqa: T201


def print_json(content: object) -> None:
    """Print models, or lists and dicts of them, as JSON."""
    sys.stdout.write(json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def _plain(content: Any) -> Any:
    # A Pydantic model, told by its method: importing Pydantic would cost every command 0.1 s.
    if hasattr(content, "model_dump"):
        return content.model_dump(mode="json")
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return content


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows under their columns; in a pipe nothing is cut off or coloured.

    Args:
        columns: Headings.
        rows: Cells as text.
        empty: What to say when there is no row.
    """
    if not rows:
        note(empty)
        return
    cells = [[safe(cell).replace("\n", " ") for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in ([name.upper() for name in columns], *cells):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for position, name in enumerate(columns):
        table.add_column(name, style="cyan" if position == 0 else "", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table, soft_wrap=False)


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """Show on a terminal that something goes on, and for how long, until the block ends."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        progress.add_task(safe(text), total=None)
        yield


@contextlib.contextmanager
def measuring(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal; gives the function to call with what is done and the whole."""
    if not sys.stderr.isatty():
        yield lambda done, whole: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        bar = progress.add_task(safe(text))
        yield lambda done, whole: progress.update(bar, completed=done, total=whole)


def size(count: float) -> str:
    """Return bytes as people read them (decimal units)."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def duration(seconds: float | None) -> str:
    """Return a length of time as people read it."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def clock(seconds: float | None) -> str:
    """Return Unix seconds as local time."""
    if seconds is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
