"""``llmlab worker``: serves this machine's models, alone or for a lab elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from llmlab.cli.options import Home, new_app, read_settings

app = new_app()


@app.command()
def worker(
    name: Annotated[str | None, typer.Option(help="Name of the node; else the machine's.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    join: Annotated[
        str | None, typer.Option(help="Address of the lab to join; alone without it.")
    ] = None,
    home: Home = None,
) -> None:
    """Serve this machine's models, alone or as a node of a lab.

    Ctrl-C stops it.
    """
    from llmlab.worker.main import run_worker

    settings = read_settings(home, host=host, worker_port=port)
    run_worker(settings, coordinator_url=join, name=name, port=settings.worker_port)
