from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from llmlab.errors import (
    ConfigurationError,
    ConflictError,
    InvalidModelFileError,
    InvalidRequestError,
    ModelNotFoundError,
)
from llmlab.models.catalog import ModelCatalog, digest_of
from llmlab.models.launching import inspect_model
from llmlab.models.records import ModelRecord, check_key, key_of, part_number, parts_of


@pytest.fixture
def catalog(home: Path) -> ModelCatalog:
    return ModelCatalog(home, builtin=None)


@pytest.fixture
def builtin(tmp_path: Path, tiny_file: Path) -> Path:
    folder = tmp_path / "builtin"
    folder.mkdir()
    shutil.copy(tiny_file, folder / "lab-mini.gguf")
    digest = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    manifest = {"name": "lab-mini", "sha256": digest, "context_length": 2048, "demo": True}
    (folder / "lab-mini.json").write_text(json.dumps(manifest))
    return folder


def test_the_built_in_model(home: Path, builtin: Path) -> None:
    record = ModelCatalog(home, builtin=builtin).get("lab-mini")
    assert (record.source, record.demo, record.context_length) == ("builtin", True, 2048)
    assert record.path == builtin / "lab-mini.gguf"
    entry = record.entry(loaded=True)
    assert (entry.id, entry.engine, entry.loaded, entry.demo) == (
        "lab-mini",
        "llama_cpp",
        True,
        True,
    )


def test_a_manifest_without_its_weights_is_no_model(home: Path, builtin: Path) -> None:
    (builtin / "lab-mini.gguf").unlink()
    assert ModelCatalog(home, builtin=builtin).records() == []


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "lab-mini"}', '{"name": "../x"}'])
def test_a_damaged_manifest_is_named(home: Path, builtin: Path, content: str) -> None:
    (builtin / "lab-mini.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"lab-mini\.json"):
        ModelCatalog(home, builtin=builtin)


def test_changed_weights_of_the_built_in_model_are_refused(home: Path, builtin: Path) -> None:
    record = ModelCatalog(home, builtin=builtin).get("lab-mini")
    assert inspect_model(record).context_length == 2048
    weights = bytearray((builtin / "lab-mini.gguf").read_bytes())
    weights[-1] ^= 1
    (builtin / "lab-mini.gguf").write_bytes(weights)
    with pytest.raises(InvalidModelFileError, match="changed or damaged"):
        inspect_model(record)


def test_the_models_of_the_package_can_be_read(home: Path) -> None:
    assert all(record.source == "builtin" for record in ModelCatalog(home).records())


def test_an_added_model_is_kept(home: Path, catalog: ModelCatalog, tiny_file: Path) -> None:
    record = catalog.add(tiny_file)
    assert record.key == "tiny"
    assert record.digest == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    assert record.context_length == 2048
    assert record.size_bytes == tiny_file.stat().st_size
    assert ModelCatalog(home, builtin=None).get("tiny") == catalog.get("tiny") == record


def test_a_catalog_that_runs_sees_what_another_process_adds(
    home: Path, catalog: ModelCatalog, tiny_file: Path
) -> None:
    with pytest.raises(ModelNotFoundError):
        catalog.get("tiny")
    other = ModelCatalog(home, builtin=None)
    other.add(tiny_file)
    assert catalog.get("tiny").path == tiny_file
    other.remove("tiny")
    with pytest.raises(ModelNotFoundError):
        catalog.get("tiny")


def test_two_catalogs_do_not_lose_each_others_models(
    home: Path, catalog: ModelCatalog, tiny_file: Path
) -> None:
    other = ModelCatalog(home, builtin=None)
    catalog.add(tiny_file, "one")
    other.add(tiny_file, "two")
    assert {record.key for record in catalog.records()} == {"one", "two"}


def test_adding_again_is_harmless_and_another_file_needs_another_name(
    catalog: ModelCatalog, tiny_file: Path, tmp_path: Path
) -> None:
    catalog.add(tiny_file)
    catalog.add(tiny_file)
    copy = tmp_path / "tiny.gguf"
    shutil.copy(tiny_file, copy)
    with pytest.raises(ConflictError, match="belongs to"):
        catalog.add(copy)
    assert catalog.add(copy, "tiny:copy").path == copy


def test_the_built_in_name_is_taken(home: Path, builtin: Path, tiny_file: Path) -> None:
    catalog = ModelCatalog(home, builtin=builtin)
    with pytest.raises(ConflictError):
        catalog.add(tiny_file, "lab-mini")
    with pytest.raises(ConflictError, match="not added by hand"):
        catalog.remove("lab-mini")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"\x00" * 4096, b"not a model at all"])
def test_what_is_no_model_is_not_added(
    catalog: ModelCatalog, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(InvalidModelFileError, match=r"bad\.gguf"):
        catalog.add(path)
    assert catalog.records() == []


def test_a_missing_file_is_not_added(catalog: ModelCatalog, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelFileError, match=r"gone\.gguf"):
        catalog.add(tmp_path / "gone.gguf")


@pytest.mark.parametrize("key", ["", "../x", "a b", "x" * 201, "-x", "a\nb", "ü"])
def test_names_that_are_refused(catalog: ModelCatalog, tiny_file: Path, key: str) -> None:
    with pytest.raises(InvalidRequestError):
        check_key(key)
    if key:
        with pytest.raises(InvalidRequestError):
            catalog.add(tiny_file, key)


def test_names_that_come_from_files() -> None:
    assert key_of(Path("/m/Qwen2.5-7B-Q4_K_M.gguf")) == "Qwen2.5-7B-Q4_K_M"
    assert key_of(Path("big-00001-of-00003.gguf")) == "big"
    assert key_of(Path("my model (1).gguf")) == "my-model-1"
    assert key_of(Path("...gguf")) == "model"


def test_parts_of_a_split_model() -> None:
    first = Path("/m/big-00001-of-00003.gguf")
    assert [path.name for path in parts_of(first)] == [
        "big-00001-of-00003.gguf",
        "big-00002-of-00003.gguf",
        "big-00003-of-00003.gguf",
    ]
    assert part_number(Path("big-00002-of-00003.gguf")) == 2
    assert parts_of(Path("/m/one.gguf")) == [Path("/m/one.gguf")]
    # A name can claim anything; nobody looks for a hundred thousand files.
    assert len(parts_of(Path("x-00001-of-99999.gguf"))) == 1000


def test_the_digest_covers_all_parts(tmp_path: Path) -> None:
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(b"one")
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(b"two")
    digest = digest_of(tmp_path / "m-00001-of-00002.gguf")
    assert digest == hashlib.sha256(b"onetwo").hexdigest()
    with pytest.raises(InvalidModelFileError, match="cannot be read"):
        digest_of(tmp_path / "none.gguf")


def test_latest_may_be_left_out(catalog: ModelCatalog, tiny_file: Path) -> None:
    catalog.add(tiny_file, "llama")
    assert catalog.get("llama:latest").key == "llama"


def test_an_unknown_name_is_answered_with_some_that_exist(catalog: ModelCatalog) -> None:
    with pytest.raises(ModelNotFoundError, match="no models here yet"):
        catalog.get("x")
    catalog.set_detected([ModelRecord(f"m{n:02}", "openai", url="http://x") for n in range(25)])
    with pytest.raises(ModelNotFoundError, match=r"m00, m01.*m19 and 5 more"):
        catalog.get("x" * 1000)


def test_found_models_give_way_to_added_ones(
    catalog: ModelCatalog, tiny_file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "tiny.gguf"
    shutil.copy(tiny_file, copy)
    catalog.add(tiny_file)
    catalog.set_detected(
        [
            ModelRecord("tiny", "llama_cpp", path=tiny_file),
            ModelRecord("tiny", "llama_cpp", path=copy),
            ModelRecord("tiny", "ollama", url="http://o"),
            ModelRecord("tiny", "ollama", url="http://p"),
        ]
    )
    assert {(r.key, r.source) for r in catalog.records()} == {
        ("tiny", "added"),
        ("tiny-2", "detected"),
        ("tiny@ollama", "detected"),
        ("tiny@ollama-2", "detected"),
    }
    assert catalog.get("tiny-2").path == copy
    with pytest.raises(ConflictError, match="detected"):
        catalog.remove("tiny-2")
    catalog.set_detected([])
    assert [r.key for r in catalog.records()] == ["tiny"]


def test_entries_tell_what_is_loaded(catalog: ModelCatalog, tiny_file: Path) -> None:
    catalog.add(tiny_file, "one")
    catalog.add(tiny_file, "two")
    assert {entry.id: entry.loaded for entry in catalog.entries({"two"})} == {
        "one": False,
        "two": True,
    }


DAMAGED = [
    "{",
    "[]",
    '{"models": 1}',
    '{"models": [1]}',
    '{"models": [{"key": "a"}]}',
    '{"models": [{"key": "../a", "path": "/x"}]}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_list_stops_the_start_and_is_not_overwritten(
    home: Path, tiny_file: Path, content: str
) -> None:
    home.mkdir()
    (home / "models.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"models\.json"):
        ModelCatalog(home, builtin=None)


def test_a_list_that_is_damaged_later_stops_no_one_who_runs(
    home: Path, catalog: ModelCatalog, tiny_file: Path
) -> None:
    catalog.add(tiny_file)
    (home / "models.json").write_text("{")
    assert catalog.get("tiny").path == tiny_file
    with pytest.raises(ConfigurationError):
        catalog.add(tiny_file, "other")
    assert (home / "models.json").read_text() == "{"


def test_the_list_is_forgiving_about_what_can_be_left_out(home: Path, tiny_file: Path) -> None:
    home.mkdir()
    listed = {"models": [{"key": "x", "path": str(tiny_file)}]}
    (home / "models.json").write_text(json.dumps(listed))
    record = ModelCatalog(home, builtin=None).get("x")
    assert (record.path, record.size_bytes, record.source) == (tiny_file, 0, "added")
