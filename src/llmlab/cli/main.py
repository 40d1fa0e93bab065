"""The command ``llmlab``: its groups, imported when they are asked for, and its errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from llmlab.errors import LabError

COMMANDS = (
    "up",
    "stop",
    "status",
    "logs",
    "worker",
    "chat",
    "models",
    "nodes",
    "cache",
    "runs",
    "config",
    "key",
    "doctor",
)


class _Lazy(MutableMapping[str, Any]):
    """Commands by name; a command's module is imported when the command is asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            module = import_module(f"llmlab.cli.{name}")
            self._loaded[name] = get_command(module.app)
            self._loaded[name].name = name
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _LazyGroup(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Lazy()


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"llmlab {version('llmlab')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """The machines you own, working as one private AI lab.

    `llmlab up` starts it, `llmlab chat` talks to it, `llmlab doctor` says what is missing.
    """
    del version


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; errors end it with a message and exit code 1, wrong usage with 2."""
    try:
        app(list(sys.argv[1:] if arguments is None else arguments), prog_name="llmlab")
    except LabError as error:
        message = error.message
    except OSError as error:
        message = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    else:
        raise SystemExit(0)
    from llmlab.cli.output import complain

    complain(message)
    raise SystemExit(1)
