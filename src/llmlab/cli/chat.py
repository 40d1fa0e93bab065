"""``llmlab chat``: one question, or a conversation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from llmlab.cli.options import AsJson, Home, Url, new_app, open_client
from llmlab.cli.output import print_json, say

if TYPE_CHECKING:
    from llmlab.client.client import LabClient
    from llmlab.protocol.lab import ChatBody

app = new_app()


@app.command()
def chat(
    message: Annotated[
        str | None,
        typer.Argument(help="The question; without it, a conversation (or what a pipe holds)."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan, run nothing.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model that answers.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="Session to go on with.")] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Don't answer from the response cache.")
    ] = False,
    home: Home = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Ask the lab one question, or talk with it."""
    from llmlab.cli.conversation import converse
    from llmlab.protocol.lab import ChatBody

    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read().strip()
    if message is not None and not message.strip():
        raise typer.BadParameter("the question is empty", param_hint="MESSAGE")
    body = ChatBody(
        message=message or "-",
        model=model,
        session_id=session,
        cache=not no_cache,
        dry_run=plan,
        stream=not as_json,
    )
    with open_client(home, url) as client:
        if message is None:
            converse(client, body)
        elif as_json:
            print_json(client.chat(body))
        else:
            _ask(client, body)


def _ask(client: LabClient, body: ChatBody) -> None:
    from llmlab.cli.conversation import ask

    try:
        ask(client, body)
    except KeyboardInterrupt:
        say()
        raise typer.Exit(130) from None
