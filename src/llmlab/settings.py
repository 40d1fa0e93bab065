"""The only reader of configuration.

Runtime arguments win over the environment (``.env`` included), that over the YAML file, that
over the defaults. A value that is not allowed stops the start with its name and what is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llmlab.errors import ConfigurationError
from llmlab.log import without_password

YAML_NAMES = ("llmlab.yaml", "config.yaml")

ALIASES = {
    "LLMLAB_URL": "url",
    "LAB_API_URL": "url",
    "OPENAI_API_BASE": "openai_api_base",
    "OPENAI_API_KEY": "openai_api_key",
    "OPENAI_API_MODEL": "openai_api_model",
    "MAX_VRAM_USAGE": "max_vram_usage",
    "DEFAULT_STRATEGY": "default_strategy",
    "LOG_LEVEL": "log_level",
    "REQUEST_TIMEOUT": "request_timeout",
}


def _words(value: object) -> object:
    return (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Settings(BaseModel):
    """Every value that can be set; times in seconds, sizes in the unit of their name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(Path("~/.llmlab"), description="Folder of everything that the lab keeps")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port of the coordinator; 0 for a free one")
    lan: bool = Field(False, description="Listen on this machine's address in the local network")
    allowed_hosts: Words = Field((), description="Further names allowed in the Host header")
    api_key: str | None = Field(
        None, description="Key to use instead of the one in the home folder"
    )
    url: str | None = Field(None, description="Address of the lab that the command line talks to")

    workers: int = Field(1, ge=0, le=64, description="Local workers that `llmlab up` starts")
    worker_port: int = Field(8001, ge=0, le=65535, description="Port of a worker on its own")
    node_secret: str | None = Field(None, description="Secret that a worker shows and asks for")
    heartbeat_interval: float = Field(1.0, gt=0, le=60, description="Seconds between heartbeats")
    heartbeat_timeout: float = Field(5.0, gt=0, le=600, description="Silence that ends a node")
    external_nodes: Words = Field(
        (), description="URLs of OpenAI-compatible servers to use as external nodes"
    )

    routing: str = Field("round_robin", description="How the node for a request is chosen")

    model: str = Field("lab-mini", description="Model for chat when the request names none")
    model_folders: Words = Field((), description="Further folders to look for GGUF files in")
    detect: bool = Field(True, description="Look for models and servers on this machine at start")
    preload: bool = Field(True, description="Load the default model at start")
    max_vram_usage: float | None = Field(
        None, gt=0, description="Memory for models in GB; without it, what is free"
    )
    default_strategy: Literal["standard", "optimized"] = Field(
        "standard", description="How models are loaded"
    )
    context_length: int = Field(8192, ge=128, description="Tokens of context at most")
    parallel: int = Field(
        4, ge=1, le=64, description="Requests that one loaded model answers at once"
    )
    model_ttl: float = Field(
        1800.0, ge=0, description="Idle time after which a model is unloaded; 0 for never"
    )
    load_timeout: float = Field(300.0, gt=0, description="Longest time that a load may take")

    openai_api_base: str | None = Field(
        None, description="OpenAI-compatible server to add as an external node"
    )
    openai_api_key: str | None = Field(None, description="Its key")
    openai_api_model: str | None = Field(None, description="Its model to offer; all without it")

    cache_enabled: bool = Field(True, description="Answer equal requests from the response cache")
    cache_ttl: float = Field(3600.0, gt=0, description="Life of a cached answer")
    cache_max_mb: float = Field(64.0, gt=0, description="Memory for cached answers, in MB")

    database_url: str | None = Field(
        None, description="SQLAlchemy URL; without it, SQLite in the home folder"
    )
    request_timeout: float = Field(300.0, gt=0, description="Deadline of a request")
    max_body_mb: float = Field(10.0, gt=0, description="Largest request body, in MB")
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
    ] = Field("INFO", description="Lowest level that is logged")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Build settings from a mapping of names to values.

        Raises:
            ConfigurationError: A name is unknown or a value is not allowed.
        """
        return load_settings(values, environment={}, yaml_file=None).settings

    def to_dict(self, *, secrets: bool = False) -> dict[str, Any]:
        """Return all values as JSON types; secrets as ``***`` unless asked for."""
        values = self.model_dump(mode="json")
        if not secrets:
            for name in SECRETS:
                values[name] = "***" if values[name] else None
            values = {name: _without_password(value) for name, value in values.items()}
        return values

    @property
    def home_folder(self) -> Path:
        """The home folder with ``~`` resolved."""
        return self.home.expanduser().absolute()

    @property
    def logs_folder(self) -> Path:
        """Where log files go."""
        return self.home_folder / "logs"

    @property
    def store_location(self) -> str | Path:
        """The database in force: its URL, or a SQLite file in the home folder."""
        return self.database_url or self.home_folder / "lab.db"


SECRETS = frozenset({"api_key", "node_secret", "openai_api_key", "database_url"})


def _without_password(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_password(part) for part in value]
    return without_password(value) if isinstance(value, str) else value


class LoadedSettings(BaseModel):
    """Settings, and where each value came from (``default``, a file, a variable, ``runtime``)."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    sources: dict[str, str]


def load_config(path: Path) -> Settings:
    """Read settings from one YAML file and the defaults alone.

    Raises:
        ConfigurationError: The file is missing, not YAML, or holds a wrong value.
    """
    return load_settings({}, environment={}, yaml_file=path).settings


def load_settings(
    runtime: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    yaml_file: Path | Literal["search"] | None = "search",
) -> LoadedSettings:
    """Merge all sources of configuration.

    Args:
        runtime: Values given at run time; None values count as not given.
        environment: Variables; the process's own and ``.env`` without it.
        yaml_file: A YAML file, None for none, or ``"search"`` for ``llmlab.yaml`` or
            ``config.yaml`` in the working folder, then in the home folder.

    Raises:
        ConfigurationError: A source cannot be read, a name in the YAML file or in ``runtime``
            is unknown, or a value is not allowed.
    """
    given = {name: value for name, value in (runtime or {}).items() if value is not None}
    variables = _process_environment() if environment is None else dict(environment)
    from_environment = _from_environment(variables)
    if yaml_file == "search":
        home = given.get("home") or from_environment.get("home", ("", None))[0]
        yaml_file = _find_yaml(Path(home) if home else Path("~/.llmlab"))
    values: dict[str, tuple[Any, str]] = {}
    if yaml_file is not None:
        values |= {name: (value, str(yaml_file)) for name, value in _read_yaml(yaml_file).items()}
    values |= from_environment
    values |= {name: (value, "runtime") for name, value in given.items()}
    return _validated(values)


def _process_environment() -> dict[str, str]:
    from dotenv import dotenv_values

    file = Path(".env")
    listed = dotenv_values(file) if file.is_file() else {}
    return {name: value for name, value in listed.items() if value is not None} | dict(os.environ)


def _from_environment(variables: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for variable, value in variables.items():
        name = ALIASES.get(variable)
        if name is None and variable.startswith("LLMLAB_"):
            name = variable.removeprefix("LLMLAB_").lower()
        # A key in the environment adds no provider by itself: only a base URL does.
        if name in Settings.model_fields and value != "":
            own = variable.startswith("LLMLAB_")
            if own or name not in found:
                found[name] = (value, variable)
    return found


def _find_yaml(home: Path) -> Path | None:
    candidates = [folder / name for folder in (Path(), home.expanduser()) for name in YAML_NAMES]
    return next((path for path in candidates if path.is_file()), None)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigurationError(f"{path} must hold a mapping of setting names to values.")
    return {name.lower(): value for name, value in content.items()}


def _validated(values: Mapping[str, tuple[Any, str]]) -> LoadedSettings:
    try:
        settings = Settings.model_validate({name: value for name, (value, _) in values.items()})
    except ValidationError as error:
        raise ConfigurationError(_explain(error, values)) from error
    sources = dict.fromkeys(Settings.model_fields, "default")
    sources |= {name: source for name, (_, source) in values.items()}
    return LoadedSettings(settings=settings, sources=sources)


def _explain(error: ValidationError, values: Mapping[str, tuple[Any, str]]) -> str:
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        value, source = values.get(name, (None, "default"))
        if problem["type"] == "extra_forbidden":
            lines.append(f"{name} ({source}) is not a setting; `llmlab config` lists them.")
        else:
            shown = "***" if name in SECRETS else without_password(repr(value))
            lines.append(f"{name} = {shown} ({source}): {problem['msg']}.")
    return "\n".join(lines)
