"""The package's front door."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import llmlab


def test_public_names_resolve_where_they_are_used_first():
    for name in llmlab.__all__:
        assert getattr(llmlab, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        _ = llmlab.Nothing


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'fastapi', 'sqlalchemy', 'langgraph', 'xllamacpp', 'aiohttp', 'pydantic', 'numpy'}"
    code = f"import sys, llmlab; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_example_in_the_docstring_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    example = textwrap.dedent((llmlab.__doc__ or "").partition("::\n")[2])
    exec(compile(example, "example", "exec"), {})
    assert capsys.readouterr().out.strip()
