"""Where values come from, and what a wrong one says."""

from pathlib import Path

import pytest

from llmlab.errors import ConfigurationError
from llmlab.settings import Settings, load_config, load_settings


def load(runtime=None, environment=None, yaml_file=None):
    return load_settings(runtime, environment=environment or {}, yaml_file=yaml_file)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "llmlab.yaml"
    path.write_text(text)
    return path


def test_each_source_wins_over_the_next(tmp_path):
    file = written(tmp_path, "port: 1\nworkers: 2\nhost: 10.0.0.1\n")
    loaded = load({"port": 3}, {"LLMLAB_PORT": "4", "LLMLAB_WORKERS": "5"}, file)
    assert (loaded.settings.port, loaded.settings.workers) == (3, 5)
    assert loaded.settings.host == "10.0.0.1"
    assert loaded.settings.model == "lab-mini"
    assert loaded.sources["port"] == "runtime"
    assert loaded.sources["workers"] == "LLMLAB_WORKERS"
    assert loaded.sources["host"] == str(file)
    assert loaded.sources["model"] == "default"


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("OPENAI_API_BASE", "http://x/v1", "openai_api_base", "http://x/v1"),
        ("MAX_VRAM_USAGE", "3.5", "max_vram_usage", 3.5),
        ("DEFAULT_STRATEGY", "optimized", "default_strategy", "optimized"),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("REQUEST_TIMEOUT", "12", "request_timeout", 12.0),
        ("LAB_API_URL", "http://y", "url", "http://y"),
        ("LLMLAB_EXTERNAL_NODES", "http://a, http://b", "external_nodes", ("http://a", "http://b")),
    ],
)
def test_known_variables_are_read(variable, value, name, expected):
    assert getattr(load(environment={variable: value}).settings, name) == expected


def test_our_own_name_wins_over_the_common_one():
    environment = {"LLMLAB_LOG_LEVEL": "ERROR", "LOG_LEVEL": "DEBUG"}
    assert load(environment=environment).settings.log_level == "ERROR"
    assert load(environment=dict(reversed(environment.items()))).settings.log_level == "ERROR"


def test_foreign_and_empty_variables_are_left_alone():
    loaded = load(environment={"LLMLAB_SOMETHING_ELSE": "1", "LLMLAB_PORT": "", "PORT": "9"})
    assert loaded.settings.port == 8000


def test_dotenv_and_yaml_are_found_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMLAB_PORT", raising=False)
    (tmp_path / ".env").write_text("LLMLAB_PORT=4321\n")
    written(tmp_path, "workers: 7\n")
    settings = load_settings().settings
    assert (settings.port, settings.workers) == (4321, 7)


def test_the_environment_wins_over_dotenv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LLMLAB_PORT=4321\n")
    monkeypatch.setenv("LLMLAB_PORT", "1234")
    assert load_settings().settings.port == 1234


def test_yaml_is_found_in_the_home_folder(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "config.yaml").write_text("workers: 3\n")
    loaded = load_settings({"home": tmp_path}, environment={})
    assert loaded.settings.workers == 3


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"port": 70000}, ["port", "70000", "65535"]),
        ({"default_strategy": "fast"}, ["default_strategy", "'fast'", "'standard' or 'optimized'"]),
        ({"prot": 1}, ["prot", "not a setting", "llmlab config"]),
        ({"request_timeout": "soon"}, ["request_timeout", "'soon'", "number"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(values, parts):
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_dict(values)
    assert all(part in caught.value.message for part in parts)


@pytest.mark.parametrize("text", ["- a\n- b\n", "port: [", "1: 2\n"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path, text):
    with pytest.raises(ConfigurationError, match=r"llmlab\.yaml"):
        load_config(written(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load_config(written(tmp_path, "")) == Settings.from_dict({})


def test_secrets_are_hidden_unless_asked_for():
    settings = Settings.from_dict({"api_key": "lab-secret", "port": 1})
    assert settings.to_dict()["api_key"] == "***"
    assert settings.to_dict()["openai_api_key"] is None
    assert Settings.from_dict(settings.to_dict(secrets=True)) == settings


def test_a_wrong_secret_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_dict({"api_key": ["canary"]})
    assert "canary" not in caught.value.message


def test_the_store_is_in_the_home_folder(tmp_path):
    settings = Settings.from_dict({"home": tmp_path})
    assert settings.store_location == tmp_path / "lab.db"
    assert settings.logs_folder == tmp_path / "logs"
    other = Settings.from_dict({"database_url": "postgresql+asyncpg://x"})
    assert other.store_location == "postgresql+asyncpg://x"


def test_a_password_in_an_address_is_not_shown() -> None:
    address = "http://user:hidden-word@127.0.0.1:9/v1"
    shown = Settings.from_dict({"external_nodes": [address], "openai_api_base": address}).to_dict()
    assert "hidden-word" not in str(shown)
    assert shown["external_nodes"] == ["http://***@127.0.0.1:9/v1"]
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_dict({"port": address})
    assert "hidden-word" not in str(caught.value)
