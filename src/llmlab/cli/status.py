"""``llmlab status``: whether the lab runs, and how it is."""

from __future__ import annotations

from llmlab.cli.options import AsJson, Home, Url, new_app, open_client
from llmlab.cli.output import duration, print_json, say, size

app = new_app()


@app.command()
def status(home: Home = None, url: Url = None, as_json: AsJson = False) -> None:
    """Say whether the lab runs, and how it is.

    Exit code 1 when it does not run.
    """
    with open_client(home, url) as client:
        health, nodes, loaded = client.health(), client.nodes(), client.loaded()
        address = client.url
    if as_json:
        print_json({"url": address, "health": health, "nodes": nodes, "loaded": loaded})
        return
    alive = [node for node in nodes if node.status == "alive"]
    demo = {model.id for node in nodes for model in node.models if model.demo}
    names = [
        f"{entry.model}{' (demo model)' if entry.model in demo else ''}" for entry in loaded.models
    ]
    say(f"LLM Lab {health.version} at {address}: {health.status}", "bold")
    say(f"up       {duration(health.uptime_seconds)}")
    say(f"nodes    {len(alive)} of {len(nodes)}: {', '.join(node.name for node in alive) or '-'}")
    say(f"loaded   {', '.join(names) or 'no model'}")
    say(f"memory   {size(loaded.memory_used)} of {size(loaded.memory_budget)} for models")
