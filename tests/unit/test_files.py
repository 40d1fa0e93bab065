"""Atomic writes and paths that stay inside."""

import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as some

from llmlab.errors import InvalidRequestError
from llmlab.files import inside, load_or_create_secret, write_atomic


def test_a_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "folder" / "file"
    write_atomic(path, "old and long")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_readers_never_see_a_part(tmp_path):
    path = tmp_path / "file"
    contents = ["a" * 100_000, "b" * 100_000]
    write_atomic(path, contents[0])
    writer = threading.Thread(
        target=lambda: [write_atomic(path, contents[turn % 2]) for turn in range(30)]
    )
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(path.read_text())
    writer.join()
    assert seen <= set(contents)


def test_a_secret_is_made_once_and_is_private(tmp_path):
    path = tmp_path / "key"
    secret = load_or_create_secret(path, "lab")
    assert secret.startswith("lab-")
    assert load_or_create_secret(path, "lab") == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_plain_relative_path_is_resolved(tmp_path):
    assert inside(tmp_path, "a/b.txt") == tmp_path.resolve() / "a" / "b.txt"


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../../x", "/etc/passwd", "~/x", "a\\b", "%2e%2e/x", "", ".", "a//b", "a/./b",
        "c:x", "nul\0", "x" * 256,
    ],
)  # fmt: skip
def test_a_path_that_could_leave_is_refused(tmp_path, path):
    with pytest.raises(InvalidRequestError):
        inside(tmp_path, path)


def test_a_symlink_that_leads_out_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "out").symlink_to(tmp_path)
    with pytest.raises(InvalidRequestError, match="leaves"):
        inside(tmp_path / "folder", "out/x")


@given(some.text(max_size=60))
def test_no_text_leads_out(path):
    import pathlib
    import tempfile

    root = pathlib.Path(tempfile.gettempdir()).resolve()
    try:
        found = inside(root, path)
    except InvalidRequestError:
        return
    assert found.is_relative_to(root)
    assert found != root
