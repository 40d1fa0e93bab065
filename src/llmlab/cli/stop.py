"""``llmlab stop``: ends the lab that runs with a home folder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llmlab.cli.options import Home, new_app, read_settings
from llmlab.cli.output import note, say, working

if TYPE_CHECKING:
    import psutil

app = new_app()

STOP_SECONDS = 20.0


@app.command()
def stop(home: Home = None) -> None:
    """Stop the lab that runs on this machine."""
    from llmlab.client.discovery import find_running
    from llmlab.errors import UnavailableError

    settings = read_settings(home)
    running = find_running(settings)
    process = running.process() if running else None
    if process is None:
        raise UnavailableError(f"No lab is running (home folder {settings.home_folder}).")
    with working("Stopping"):
        forced = _end(process)
    if forced:
        note(f"It did not stop within {STOP_SECONDS:.0f} seconds and was killed.")
    say("LLM Lab has stopped.")


def _end(process: psutil.Process) -> bool:
    """End a process, by force when it takes too long; return whether that was needed."""
    import contextlib

    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        children = process.children(recursive=True)
        process.terminate()
        if _gone(process, STOP_SECONDS):
            return False
        for victim in (process, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        _gone(process, STOP_SECONDS)
        return True
    return False


def _gone(process: psutil.Process, seconds: float) -> bool:
    """Wait for the end of a process that may be nobody's child here, so polling it is."""
    import psutil

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
