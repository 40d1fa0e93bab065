"""``llmlab runs``: what the lab did, and step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmlab.cli.options import AsJson, Home, Url, new_app, open_client
from llmlab.cli.output import clock, duration, print_json, print_table, say

if TYPE_CHECKING:
    from llmlab.types import JsonObject, JsonValue

app = new_app()


@app.command()
def runs(
    run: Annotated[str | None, typer.Argument(help="Show this run with its steps.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    home: Home = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the newest runs, or show one with its steps."""
    with open_client(home, url) as client:
        answer = client.runs(limit=limit) if run is None else client.run(run)
    if as_json:
        print_json({"runs": answer} if isinstance(answer, list) else answer)
    elif isinstance(answer, list):
        _show_list(answer)
    else:
        _show_one(answer)


def _show_list(found: list[JsonObject]) -> None:
    rows = [
        (
            _text(run, "id"),
            _text(run, "kind"),
            _text(run, "status"),
            _text(run, "model"),
            clock(_number(run, "created_at")),
            duration(_number(run, "seconds")),
        )
        for run in found
    ]
    print_table(
        ("run", "kind", "status", "model", "began", "took"), rows, empty="There are no runs yet."
    )


def _show_one(run: JsonObject) -> None:
    for name in ("id", "kind", "status", "model", "session_id", "error"):
        if run.get(name) is not None:
            say(f"{name:<11}{_text(run, name)}")
    say(f"{'began':<11}{clock(_number(run, 'created_at'))}")
    say(f"{'took':<11}{duration(_number(run, 'seconds'))}")
    steps = run.get("steps")
    rows = [
        (
            _text(step, "key"),
            _text(step, "kind"),
            _text(step, "tool") if step.get("tool") else _text(step, "node"),
            "yes" if step.get("cache_hit") else "",
            duration(_number(step, "seconds")),
            _text(step, "error") if step.get("error") else _text(step, "output")[:80],
        )
        for step in (steps if isinstance(steps, list) else ())
        if isinstance(step, dict)
    ]
    if rows:
        print_table(("step", "kind", "done by", "cached", "took", "outcome"), rows, empty="")


def _text(row: JsonObject, name: str) -> str:
    value: JsonValue = row.get(name)
    return "-" if value is None else str(value)


def _number(row: JsonObject, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
