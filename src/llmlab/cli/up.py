"""``llmlab up``: starts the lab, in front or in the background."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmlab.cli.options import Home, new_app
from llmlab.cli.output import say, working
from llmlab.errors import ConflictError, LabError

if TYPE_CHECKING:
    from llmlab.settings import Settings

app = new_app()

DETACHED_SECONDS = 60.0
# How long the lab may take to say which models it has.
MODELS_SECONDS = 5.0
DEMO_MODEL = "lab-mini"


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    lan: Annotated[
        bool, typer.Option("--lan", help="Listen in the local network, for other machines.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Workers to start.")] = None,
    model: Annotated[str | None, typer.Option(help="Model that answers by default.")] = None,
    external: Annotated[
        list[str] | None,
        typer.Option("--external", help="URL of an OpenAI-compatible server; repeatable."),
    ] = None,
    home: Home = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Start in the background.")
    ] = False,
) -> None:
    """Start the lab; Ctrl-C or `llmlab stop` ends it."""
    from llmlab.settings import load_settings

    given: dict[str, Any] = {
        "port": port,
        "host": host,
        "lan": lan or None,
        "workers": workers,
        "model": model,
        "external_nodes": external or None,
        "home": home,
    }
    settings = load_settings(given).settings
    _refuse_second(settings)
    if detach:
        _serve_detached(settings, given)
    else:
        _serve(settings)


def _refuse_second(settings: Settings) -> None:
    from llmlab.client.discovery import find_running

    if running := find_running(settings):
        raise ConflictError(
            f"A lab is already running at {running.url} (process {running.pid}).\n"
            "`llmlab stop` ends it; a second one needs its own --home and --port."
        )


def _serve(settings: Settings) -> None:
    from llmlab.api.serve import serve

    with contextlib.ExitStack() as starting:
        starting.enter_context(working("Starting LLM Lab"))

        def ready(url: str) -> None:
            starting.close()
            announce(settings, url, stop="Ctrl-C stops it.")

        serve(settings, on_ready=ready)
    say("LLM Lab has stopped.")


def _serve_detached(settings: Settings, given: Mapping[str, Any]) -> None:
    """Start the lab in a process of its own and wait until it answers."""
    from llmlab.client.discovery import find_running

    log = settings.logs_folder / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # -P: a file of the working folder must not stand in for a module.
    command = [sys.executable, "-P", "-m", "llmlab", "up", *_options(given)]
    with log.open("wb") as errors, working("Starting LLM Lab"):
        # Its own words name the key, so only its errors are kept in a file.
        child = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        deadline = time.monotonic() + DETACHED_SECONDS
        while (running := find_running(settings)) is None or running.pid != child.pid:
            if child.poll() is not None:
                raise LabError(_last_words(log))
            if time.monotonic() > deadline:
                child.terminate()
                raise LabError(f"The lab did not start in time. See {log}.")
            time.sleep(0.05)
        _await_workers(running.url, deadline)
    announce(settings, running.url, stop=f"`{command_name()} stop{_home(settings)}` stops it.")


def _await_workers(url: str, deadline: float) -> None:
    """Wait until local workers are there; the lab says it is starting until then."""
    from llmlab.client.client import LabClient

    with LabClient(url, timeout=DETACHED_SECONDS) as client:
        while client.health().status == "starting" and time.monotonic() < deadline:
            time.sleep(0.1)


def _options(given: Mapping[str, Any]) -> list[str]:
    """Return the options of `llmlab up` that give these settings again."""
    names = {"external_nodes": "external"}
    words: list[str] = []
    for setting, value in given.items():
        option = f"--{names.get(setting, setting)}"
        if value is True:
            words.append(option)
        elif isinstance(value, list):
            words += [f"{option}={item}" for item in value]
        elif value is not None:
            words.append(f"{option}={value}")
    return words


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    text = "\n".join(lines[-5:]).removeprefix("Error: ")
    return text or f"The lab ended while it started. See {log}."


def announce(settings: Settings, url: str, *, stop: str) -> None:
    """Say that the lab is there, with its key and three things to try."""
    from llmlab.client.discovery import find_key

    command, home = command_name(), _home(settings)
    demo = " (demo model: it shows what the lab does, don't rely on it)"
    hello = {"model": settings.model, "messages": [{"role": "user", "content": "Hello!"}]}
    say(f"LLM Lab is ready at {url}", "bold green")
    say(f"  API key  {find_key(settings)}")
    say(f"  Model    {settings.model}{demo if settings.model == DEMO_MODEL else ''}")
    if settings.model != DEMO_MODEL and (missing := _missing_model(settings, url)):
        say(missing, "yellow")
    say("Try, in another terminal:")
    say(f'  {command} chat{home} "What is 25 * 67?"')
    say(f"  {command} models{home}")
    say(f"  curl {url}/v1/chat/completions -H 'Content-Type: application/json' \\")
    say(f'    -H "Authorization: Bearer $({command} key{home})" \\')
    say(f"    -d {shlex.quote(json.dumps(hello, separators=(',', ':')))}")
    say(stop, "dim")


def _missing_model(settings: Settings, url: str) -> str:
    """Return a warning if no node has the default model yet; nothing if one has."""
    from llmlab.client.client import LabClient
    from llmlab.client.discovery import find_key

    try:
        with LabClient(url, find_key(settings), timeout=MODELS_SECONDS) as client:
            known = sorted({model.id for model in client.models().models})
    except LabError:
        return ""
    if settings.model in known:
        return ""
    there = f"they have {', '.join(known)}" if known else "they have no model at all"
    # Other machines and servers may answer later than the lab itself.
    return (
        f"  No node has {settings.model!r} so far; {there}. Unless another machine brings it,\n"
        f"  fetch it with `{command_name()} models pull OWNER/NAME{_home(settings)}`,"
        " or start the lab with another --model."
    )


def command_name() -> str:
    """Return how this shell calls the command: by its name, or by its path from here."""
    script = Path(sys.argv[0])
    if script.name != "llmlab":
        return f"{Path(sys.executable)} -m llmlab"
    found = shutil.which("llmlab")
    if found and Path(found).resolve() == script.resolve():
        return "llmlab"
    path = script.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _home(settings: Settings) -> str:
    """Return the option that leads further commands to this lab's home folder."""
    usual = os.environ.get("LLMLAB_HOME") or "~/.llmlab"
    if settings.home_folder == Path(usual).expanduser().absolute():
        return ""
    return f" --home {shlex.quote(str(settings.home_folder))}"
