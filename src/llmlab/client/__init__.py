"""Python client of the lab's HTTP API, and how to find a lab that runs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmlab.client.client import LabClient
    from llmlab.client.discovery import RunningLab, connect, find_key, find_running

__all__ = ["LabClient", "RunningLab", "connect", "find_key", "find_running"]


def __getattr__(name: str) -> object:
    """Import a name on first use: finding a lab must not wait for the HTTP library."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = "client" if name == "LabClient" else "discovery"
    return getattr(import_module(f"{__name__}.{home}"), name)
