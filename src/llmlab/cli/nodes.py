"""``llmlab nodes``: who can do work for the lab."""

from __future__ import annotations

from llmlab.cli.options import AsJson, Home, Url, new_app, open_client
from llmlab.cli.output import duration, print_json, print_table, size

app = new_app()


@app.command()
def nodes(home: Home = None, url: Url = None, as_json: AsJson = False) -> None:
    """List the nodes, what they serve and how busy they are."""
    with open_client(home, url) as client:
        reports = client.nodes()
    if as_json:
        print_json({"nodes": reports})
        return
    rows = [
        (
            node.name,
            node.kind,
            node.status,
            ", ".join(model.id for model in node.models) or "-",
            str(node.load.in_flight),
            size(node.load.memory_used),
            f"{duration(node.last_seen)} ago",
        )
        for node in reports
    ]
    print_table(
        ("node", "kind", "status", "models", "busy", "memory", "last seen"),
        rows,
        empty="The lab has no nodes.",
    )
