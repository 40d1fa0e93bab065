"""``llmlab doctor``: what is found, what is missing, and what to do."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import typer

from llmlab.cli.options import AsJson, Home, new_app, read_settings
from llmlab.cli.output import print_json, say, working

if TYPE_CHECKING:
    from llmlab.cli.checks import Finding

app = new_app()

_MARKS = {"ok": ("ok", "green"), "warning": ("warn", "yellow"), "problem": ("PROBLEM", "bold red")}


@app.command()
def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check this machine and say what is missing.

    Exit code 1 when something keeps the lab from working.
    """
    from llmlab.cli.checks import examine

    settings = read_settings(home)
    with working("Looking at this machine"):
        findings = list(examine(settings))
    problems = sum(finding.verdict == "problem" for finding in findings)
    if as_json:
        print_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            _show(finding)
        running = any(finding.detail.startswith("running") for finding in findings)
        say(_verdict(problems, running=running), "bold")
    raise typer.Exit(1 if problems else 0)


def _show(finding: Finding) -> None:
    mark, style = _MARKS[finding.verdict]
    if sys.stdout.isatty():
        say(f"{mark:>7} ", style, end="")
        say(f"{finding.name}: {finding.detail}")
    else:
        say(f"{mark:>7} {finding.name}: {finding.detail}")
    if finding.advice:
        say(f"{'':>7} → {finding.advice}")


def _verdict(problems: int, *, running: bool) -> str:
    if problems:
        return f"{problems} problem{'s' if problems > 1 else ''} to solve before the lab can work."
    return "All is well." if running else "The lab can run here: `llmlab up` starts it."
