"""``llmlab config``: each setting, its value and where it came from."""

from __future__ import annotations

from llmlab.cli.options import AsJson, Home, new_app
from llmlab.cli.output import print_json, print_table

app = new_app()


@app.command()
def config(home: Home = None, as_json: AsJson = False) -> None:
    """Show each setting, its value and where it came from.

    A setting comes from the command line, else from a variable (LLMLAB_NAME, also in .env),
    else from llmlab.yaml in this folder or the home folder, else from its default.
    Secrets are not shown.
    """
    from llmlab.settings import Settings, load_settings

    loaded = load_settings({"home": home})
    values = loaded.settings.to_dict()
    if as_json:
        entries = {
            name: {"value": value, "source": loaded.sources[name]} for name, value in values.items()
        }
        print_json(entries)
        return
    rows = [
        (name, _shown(value), loaded.sources[name], Settings.model_fields[name].description or "")
        for name, value in values.items()
    ]
    print_table(("setting", "value", "from", "what it is"), rows, empty="There are no settings.")


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
