"""Options that several commands share, and how a command gets settings and a client from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from llmlab.client.client import LabClient
    from llmlab.settings import Settings

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of everything that the lab keeps.", show_default=False),
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="Address of the lab; without it, the one that runs here."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def new_app(*, group: bool = False) -> typer.Typer:
    """Return the Typer of one command, or of a group that does something by itself too.

    Rich is left out of help and usage errors: it would take most of the 0.3 s that they may.
    """
    return typer.Typer(
        add_completion=False,
        invoke_without_command=group,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def read_settings(home: Path | None = None, **runtime: Any) -> Settings:
    """Return the settings in force, with what the command line gave on top.

    Raises:
        ConfigurationError: A value is not allowed.
    """
    from llmlab.settings import load_settings

    return load_settings(_given(home, runtime)).settings


def _given(home: Path | None, runtime: Mapping[str, Any]) -> dict[str, Any]:
    return {"home": home, **runtime}


def open_client(home: Path | None, url: str | None) -> LabClient:
    """Return a client of the running lab.

    Raises:
        UnavailableError: No lab is running.
        AuthenticationError: There is no key to it.
    """
    from llmlab.client.discovery import connect

    return connect(read_settings(home, url=url))
