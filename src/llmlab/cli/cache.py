"""``llmlab cache``: the response cache."""

from __future__ import annotations

from pathlib import Path

import typer

from llmlab.cli.options import AsJson, Home, Url, new_app, open_client
from llmlab.cli.output import print_json, say, size

app = new_app(group=True)


@app.callback()
def cache(
    context: typer.Context, home: Home = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Show what the response cache did, or clear it."""
    if context.invoked_subcommand is None:
        _stats(home, url, as_json)


@app.command()
def stats(home: Home = None, url: Url = None, as_json: AsJson = False) -> None:
    """Show the figures of the response cache."""
    _stats(home, url, as_json)


def _stats(home: Path | None, url: str | None, as_json: bool) -> None:
    with open_client(home, url) as client:
        figures = client.cache_stats()
    if as_json:
        print_json(figures)
        return
    asked = figures.hits + figures.misses
    say(f"answers  {figures.entries}, {size(figures.bytes)} of {size(figures.max_bytes)}")
    say(f"asked    {asked} times, {figures.hits} answered from it ({figures.hit_rate:.0%})")
    say(f"shared   {figures.coalesced} requests joined one that was being answered")
    say(f"dropped  {figures.evictions} for room, {figures.expired} for age")


@app.command()
def clear(home: Home = None, url: Url = None, as_json: AsJson = False) -> None:
    """Forget every cached answer."""
    with open_client(home, url) as client:
        answer = client.clear_cache()
    if as_json:
        print_json(answer)
    else:
        say("The response cache is empty.")
