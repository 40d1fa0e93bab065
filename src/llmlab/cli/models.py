"""``llmlab models``: what can be served, and what is in memory."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmlab.cli.options import AsJson, Home, Url, new_app, open_client, read_settings
from llmlab.cli.output import duration, measuring, note, print_json, print_table, say, size, working

if TYPE_CHECKING:
    from llmlab.settings import Settings

# A worker says what is new with its next heartbeat.
SERVED_DEADLINE = 5.0

app = new_app(group=True)


@app.callback()
def models(
    context: typer.Context, home: Home = None, url: Url = None, as_json: AsJson = False
) -> None:
    """List the lab's models, or load, unload, pull, add and remove one."""
    if context.invoked_subcommand is None:
        _list(home, url, as_json)


@app.command("list")
def list_(home: Home = None, url: Url = None, as_json: AsJson = False) -> None:
    """List the models that the lab can serve."""
    _list(home, url, as_json)


def _list(home: Path | None, url: str | None, as_json: bool) -> None:
    with open_client(home, url) as client:
        report = client.models()
    if as_json:
        print_json(report)
        return
    rows = [
        (
            model.id,
            model.engine,
            size(model.size_bytes) if model.size_bytes else "-",
            str(model.context_length or "-"),
            "loaded" if model.loaded else "",
            ", ".join(_notes(demo=model.demo, embeddings=model.embeddings)),
        )
        for model in report.models
    ]
    print_table(
        ("model", "engine", "size", "context", "memory", "notes"),
        rows,
        empty="No node serves a model. `llmlab doctor` says what is missing.",
    )


def _notes(*, demo: bool, embeddings: bool) -> list[str]:
    return [text for text, given in (("demo model", demo), ("embeddings", embeddings)) if given]


@app.command()
def load(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    strategy: Annotated[
        str | None, typer.Option(help="How to load it: standard or optimized.")
    ] = None,
    home: Home = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Bring a model into memory, so that the first question does not wait for it."""
    from llmlab.errors import ConfigurationError
    from llmlab.protocol.lab import LoadBody

    if strategy not in (None, "standard", "optimized"):
        raise ConfigurationError(f"{strategy!r} is no strategy; use standard or optimized.")
    body = LoadBody.model_validate({"model": model, "strategy": strategy})
    with open_client(home, url) as client, working(f"Loading {model}"):
        entry = client.load(body)
    if as_json:
        print_json(entry)
        return
    where = f" on {entry.node}" if entry.node else ""
    say(
        f"{entry.model} is in memory{where}: {size(entry.memory_bytes)},"
        f" {entry.strategy}, loaded in {duration(entry.load_time_sec)}."
    )


@app.command()
def unload(
    model: Annotated[str | None, typer.Argument(help="Name of the model.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Unload every idle model.")] = False,
    home: Home = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Take a model out of memory; its file stays."""
    if (model is None) != everything:
        raise typer.BadParameter("name a model, or give --all", param_hint="MODEL")
    with open_client(home, url) as client:
        answer = client.unload_all() if model is None else client.unload(model)
    if as_json:
        print_json(answer)
    elif answer.unloaded:
        say(f"Unloaded {', '.join(answer.unloaded)}.")
    else:
        note("Nothing was in memory that is idle.")


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A GGUF file; of a split one, the first part.")],
    name: Annotated[str | None, typer.Option(help="Name for it; else the file's own.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add a GGUF file on this machine to the lab's models."""
    from llmlab.models.catalog import ModelCatalog

    settings = read_settings(home)
    with measuring(f"Reading {path.name}") as progress:
        record = ModelCatalog(settings.home_folder).add(path, name, on_progress=progress)
    _wait_until_served(settings, record.key)
    if as_json:
        print_json({"model": record.key, "path": str(record.path), "digest": record.digest})
        return
    say(f"Added {record.key} ({size(record.size_bytes)}, context {record.context_length}).")


@app.command()
def pull(
    repository: Annotated[
        str,
        typer.Argument(
            metavar="OWNER/NAME[:QUANTIZATION]",
            help="Repository of GGUF files on Hugging Face, for example"
            " Qwen/Qwen2.5-3B-Instruct-GGUF or Qwen/Qwen2.5-3B-Instruct-GGUF:Q8_0.",
        ),
    ],
    file: Annotated[
        str | None, typer.Option("--file", help="Name of the file, where several fit.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name for it; else the file's own.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a model from Hugging Face and add it to the lab's models.

    Of several quantizations Q4_K_M is taken. Ctrl-C loses nothing: the same command goes on.
    HF_TOKEN is your key to repositories that need one, HF_ENDPOINT another server.
    """
    from llmlab.models.catalog import ModelCatalog
    from llmlab.models.hub import Hub

    settings = read_settings(home)
    hub = Hub(_pulled(settings))
    with working(f"Asking for {repository}"):
        found = hub.find(repository, file)
    note(f"Fetching {found.files[0].name} ({size(found.size)}) of {found.repository}.")
    with measuring("Fetching") as progress:
        path = hub.fetch(found, progress)
    with measuring(f"Reading {path.name}") as progress:
        record = ModelCatalog(settings.home_folder).add(path, name, on_progress=progress)
    _wait_until_served(settings, record.key)
    if as_json:
        print_json(
            {
                "model": record.key,
                "path": str(record.path),
                "digest": record.digest,
                "size_bytes": record.size_bytes,
                "repository": found.repository,
                "revision": found.revision,
            }
        )
        return
    say(
        f"Added {record.key} ({size(record.size_bytes)}, context {record.context_length})."
        f" Ask it: llmlab chat --model {record.key}"
    )


def _wait_until_served(settings: Settings, model: str) -> None:
    """Wait until the lab that runs here knows the model, so that the next command can use it."""
    from llmlab.client.discovery import connect, find_running
    from llmlab.errors import LabError

    if find_running(settings) is None:
        return
    deadline = time.monotonic() + SERVED_DEADLINE
    with (
        contextlib.suppress(LabError),
        working("Telling the lab"),
        # The file was added; what the lab says to this takes nothing from that.
        connect(settings.model_copy(update={"url": None}), timeout=SERVED_DEADLINE) as client,
    ):
        while time.monotonic() < deadline:
            if any(entry.id == model for entry in client.models().models):
                return
            time.sleep(0.1)


@app.command()
def remove(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete its file, too, if it was pulled.")
    ] = False,
    home: Home = None,
) -> None:
    """Forget a model that was added; its file stays."""
    from llmlab.errors import InvalidRequestError
    from llmlab.models.catalog import ModelCatalog
    from llmlab.models.records import parts_of

    settings = read_settings(home)
    catalog = ModelCatalog(settings.home_folder)
    path = catalog.get(model).path
    if delete and not (path and path.is_relative_to(_pulled(settings))):
        raise InvalidRequestError(f"{model} was not pulled; its file {path} is yours to delete.")
    catalog.remove(model)
    if not (delete and path):
        say(f"Removed {model} from the list; its file stays: {path}")
        return
    for part in parts_of(path):
        part.unlink(missing_ok=True)
    say(f"Removed {model} and its file.")


def _pulled(settings: Settings) -> Path:
    # Resolved, as the paths of fetched files are: a home folder may lie behind a link.
    return settings.home_folder.resolve() / "hub"
