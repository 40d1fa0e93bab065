"""Finds the lab that this machine runs, and the key to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
import psutil

from llmlab.errors import AuthenticationError, ConfigurationError, UnavailableError
from llmlab.protocol.addresses import url_at
from llmlab.settings import Settings

if TYPE_CHECKING:
    from llmlab.client.client import LabClient

# A coordinator writes its file within this time after its process began, so that a process
# that got the same number later is not taken for it.
_START_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class RunningLab:
    """What a coordinator writes down about itself; ``started_at`` in Unix seconds."""

    pid: int
    url: str
    started_at: float
    instance_id: str

    def process(self) -> psutil.Process | None:
        """Return the coordinator's process; None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            age = self.started_at - process.create_time()
            # Times alone would lose a lab whose machine's clock was set while it ran.
            ours = 0 <= age <= _START_SECONDS or _is_command(process.cmdline())
            ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if ours and not ended else None


def _is_command(words: list[str]) -> bool:
    return any(Path(word).name.split(" ")[0] == "llmlab" for word in words)


def state_file(settings: Settings) -> Path:
    """Return the path of the file that a running coordinator keeps."""
    return settings.home_folder / "run" / "coordinator.json"


def find_running(settings: Settings) -> RunningLab | None:
    """Return the lab that runs with this home folder; None without one, or after a crash."""
    try:
        content = orjson.loads(state_file(settings).read_bytes())
        lab = RunningLab(
            int(content["pid"]),
            str(content["url"]),
            float(content["started_at"]),
            str(content["instance_id"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return lab if lab.process() is not None else None


def find_key(settings: Settings) -> str | None:
    """Return the API key of the settings, else the one in the home folder, else None."""
    if settings.api_key:
        return settings.api_key
    try:
        return (settings.home_folder / "key").read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def connect(settings: Settings, *, timeout: float | None = None) -> LabClient:
    """Return a client of the lab that the settings name, else of the one that runs here.

    An address goes before the lab that runs with the home folder, and that before a port.

    Args:
        settings: Home folder, and address and key where they are given.
        timeout: Longest silence of the lab in seconds; the setting without it.

    Raises:
        UnavailableError: No lab runs with this home folder and no address is given.
        AuthenticationError: There is an address but no key to it.
        ConfigurationError: The address is none.
    """
    url = settings.url or _url_here(settings)
    check_url(url)
    key = find_key(settings)
    if key is None:
        raise AuthenticationError(
            f"There is no key for the lab at {url}.\n"
            "Run `llmlab key` on the lab's machine and set LLMLAB_API_KEY to what it prints."
        )
    from llmlab.client.client import LabClient

    return LabClient(url, key, timeout=timeout or settings.request_timeout)


def _url_here(settings: Settings) -> str:
    running = find_running(settings)
    if running is not None:
        return running.url
    # A port that was set is where a lab of another home folder (a container's, say) is.
    if settings.port not in (0, Settings.model_fields["port"].default):
        return url_at(settings, settings.port)
    raise UnavailableError(
        f"No lab is running (home folder {settings.home_folder}).\n"
        "Start one with `llmlab up`, or name one with --url, LLMLAB_URL or LLMLAB_PORT."
    )


def check_url(url: str) -> None:
    """Refuse what cannot be the address of a lab.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"The address {url!r} is not one of a lab; it looks like http://127.0.0.1:8000."
        )
