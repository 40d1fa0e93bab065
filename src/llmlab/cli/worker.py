"""``llmlab worker``: serves this machine's models, alone or for a lab elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from llmlab.cli.options import Home, new_app, read_settings
from llmlab.cli.output import say

app = new_app()


@app.command()
def worker(
    name: Annotated[str | None, typer.Option(help="Name of the node; else the machine's.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    lan: Annotated[
        bool, typer.Option("--lan", help="Listen in the local network, for other machines.")
    ] = False,
    join: Annotated[
        str | None, typer.Option(help="Address of the lab to join; alone without it.")
    ] = None,
    home: Home = None,
) -> None:
    """Serve this machine's models, alone or as a node of a lab.

    To join a lab on another machine, set LLMLAB_NODE_SECRET to what the file
    node-secret in that lab's home folder holds. Ctrl-C stops the worker.
    """
    from llmlab.client.discovery import check_url
    from llmlab.worker.main import run_worker

    if join is not None:
        check_url(join)
    settings = read_settings(home, host=host, lan=lan or None, worker_port=port)

    def ready(url: str) -> None:
        say(f"LLM Lab worker is ready at {url}", "bold green")
        if join is not None:
            say(f"It joins the lab at {join} and stays, whatever happens to the connection.")
        say("Ctrl-C stops it.", "dim")

    run_worker(settings, name=name, coordinator_url=join, on_ready=ready)
    say("The worker has stopped.")
