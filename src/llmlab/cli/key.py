"""``llmlab key``: the key alone, for scripts and for signing in."""

from __future__ import annotations

from llmlab.cli.options import Home, new_app, read_settings
from llmlab.cli.output import say

app = new_app()


@app.command()
def key(home: Home = None) -> None:
    """Print the lab's API key; it is made on first use."""
    from llmlab.files import load_or_create_secret

    settings = read_settings(home)
    say(settings.api_key or load_or_create_secret(settings.home_folder / "key", "lab"))
