"""Models are fetched from a server that speaks the Hub's protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from huggingface_hub import hf_hub_download

from llmlab.errors import (
    AccessError,
    ConflictError,
    InvalidModelFileError,
    InvalidRequestError,
    LabError,
    ModelNotFoundError,
    UnavailableError,
)
from llmlab.models.hub import Hub, read_reference
from llmlab.testing.hub import HubServer

CONTENT = os.urandom(100_000)
MANY = {
    "README.md": b"words",
    "mmproj-model-f16.gguf": b"eyes",
    "model-IQ4_XS.gguf": b"iq4",
    "model-Q4_K_M.gguf": CONTENT,
    "model-Q8_0.gguf": b"q8",
    "model-bf16-00001-of-00002.gguf": b"one",
    "model-bf16-00002-of-00002.gguf": b"two",
}
REPOSITORIES = {
    "owner/many": MANY,
    "owner/alone": {"only.gguf": b"only"},
    "owner/odd": {"a.gguf": b"a", "b.gguf": b"b"},
    "owner/folders": {"Q8_0/model.gguf": b"q8", "Q4_K_M/model.gguf": b"q4"},
    "owner/none": {"model.safetensors": b"weights"},
    "owner/gated": {"model.gguf": b"secret"},
}


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer(REPOSITORIES, gated={"owner/gated"}) as server:
        yield server


@pytest.fixture
def hub(server: HubServer, tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hub", server.url)


@pytest.mark.parametrize(
    ("reference", "file", "names"),
    [
        ("owner/many", None, ["model-Q4_K_M.gguf"]),
        ("owner/many:q8_0", None, ["model-Q8_0.gguf"]),
        ("owner/many:IQ4_XS", None, ["model-IQ4_XS.gguf"]),
        ("https://huggingface.co/owner/many/", None, ["model-Q4_K_M.gguf"]),
        ("hf.co/owner/many:Q8_0", None, ["model-Q8_0.gguf"]),
        ("owner/many", "model-Q8_0.gguf", ["model-Q8_0.gguf"]),
        (
            "owner/many:bf16",
            None,
            ["model-bf16-00001-of-00002.gguf", "model-bf16-00002-of-00002.gguf"],
        ),
        (
            "owner/many",
            "model-bf16-00002-of-00002.gguf",
            ["model-bf16-00001-of-00002.gguf", "model-bf16-00002-of-00002.gguf"],
        ),
        ("owner/alone", None, ["only.gguf"]),
        ("owner/folders", None, ["Q4_K_M/model.gguf"]),
        ("owner/folders", "Q8_0/model.gguf", ["Q8_0/model.gguf"]),
    ],
)
def test_chooses_what_was_meant(
    hub: Hub, reference: str, file: str | None, names: list[str]
) -> None:
    assert [each.name for each in hub.find(reference, file).files] == names


@pytest.mark.parametrize(
    ("reference", "file", "kind", "said"),
    [
        ("owner/missing", None, ModelNotFoundError, "no repository owner/missing"),
        ("owner/none", None, ModelNotFoundError, "holds no GGUF file"),
        ("owner/odd", None, InvalidRequestError, "Several files fit"),
        ("owner/many:Q5_K_M", None, InvalidRequestError, "model-Q4_K_M.gguf"),
        ("owner/many:Q4", None, InvalidRequestError, "No file fits"),
        ("owner/many", "other.gguf", InvalidRequestError, "No file fits"),
        ("word", None, InvalidRequestError, "OWNER/NAME"),
        ("../../etc/passwd", None, InvalidRequestError, "OWNER/NAME"),
        ("https://example.com/owner/many", None, InvalidRequestError, "OWNER/NAME"),
        ("owner/..", None, InvalidRequestError, "no repository"),
    ],
)
def test_says_what_is_wrong(
    hub: Hub, reference: str, file: str | None, kind: type[LabError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        hub.find(reference, file)


def test_fetches_once_and_tells_how_far_it_is(hub: Hub, server: HubServer) -> None:
    model = hub.find("owner/many")
    told: list[tuple[int, int]] = []
    path = hub.fetch(model, lambda done, whole: told.append((done, whole)))
    assert path.name == "model-Q4_K_M.gguf"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    seen = len(server.requests)
    assert hub.fetch(model) == path
    assert [request for request in server.requests[seen:] if request[0] == "GET"] == []


def test_parts_arrive_together(hub: Hub) -> None:
    path = hub.fetch(hub.find("owner/many:bf16"))
    assert [each.read_bytes() for each in sorted(path.parent.glob("*bf16*"))] == [b"one", b"two"]
    assert path.name == "model-bf16-00001-of-00002.gguf"


def test_a_broken_connection_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 5
    with HubServer({"owner/large": {"model.gguf": content}}, breaks=1) as server:
        hub = Hub(tmp_path, server.url)
        path = hub.fetch(hub.find("owner/large"))
        starts = [start for method, _, start in server.requests if method == "GET" and start]
    assert path.read_bytes() == content
    assert starts == [len(content) // 2]


def test_a_command_goes_on_where_another_was_ended(tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 5

    def stop(done: int, whole: int) -> None:
        if done > whole // 2:
            raise KeyboardInterrupt

    with HubServer({"owner/large": {"model.gguf": content}}) as server:
        first = Hub(tmp_path, server.url)
        with pytest.raises(KeyboardInterrupt):
            first.fetch(first.find("owner/large"), stop)
        second = Hub(tmp_path, server.url)
        path = second.fetch(second.find("owner/large"))
        starts = [start for method, _, start in server.requests if method == "GET" and start]
    assert path.read_bytes() == content
    assert len(starts) == 1
    assert starts[0] > len(content) // 2
    assert list(path.parent.iterdir()) == [path]


def test_gives_up_on_a_server_that_always_breaks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmlab.models.transfer._FIRST_PAUSE", 0.001)
    with HubServer({"owner/tiny": {"model.gguf": b"x"}}, breaks=100) as server:
        hub = Hub(tmp_path, server.url)
        with pytest.raises(UnavailableError, match="goes on where it ended"):
            hub.fetch(hub.find("owner/tiny"))


def test_two_commands_do_not_write_one_file(hub: Hub, server: HubServer, tmp_path: Path) -> None:
    model = hub.find("owner/alone")
    target = tmp_path / "hub" / "owner" / "alone" / "only.gguf"
    target.parent.mkdir(parents=True)
    digest = model.files[0].sha256
    with FileLock(f"{target}.{digest[:12]}.part.lock"), pytest.raises(ConflictError):
        hub.fetch(model)


def test_takes_what_other_programs_fetched(
    hub: Hub, server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "shared"))
    model = hub.find("owner/alone")
    shared = hf_hub_download("owner/alone", "only.gguf", endpoint=server.url)
    assert hub.fetch(model) == Path(shared)
    Path(shared).write_bytes(b"changed")
    assert hub.fetch(model).read_bytes() == b"only"


def test_refuses_what_is_not_the_announced_file(tmp_path: Path) -> None:
    files = {"owner/bad": {"model.gguf": b"other"}}
    with HubServer(files, announced={"model.gguf": "0" * 64}) as server:
        hub = Hub(tmp_path, server.url)
        model = hub.find("owner/bad")
        for _ in range(2):
            # The second time, too: nothing damaged stays behind.
            with pytest.raises(InvalidModelFileError, match="damaged"):
                hub.fetch(model)


def test_explains_consent(hub: Hub) -> None:
    model = hub.find("owner/gated")
    with pytest.raises(AccessError, match="HF_TOKEN"):
        hub.fetch(model)


def test_explains_a_server_that_is_not_there(tmp_path: Path) -> None:
    with HubServer({}) as server:
        url = server.url
    with pytest.raises(UnavailableError, match="Check the network"):
        Hub(tmp_path, url).find("owner/many")


def test_asks_for_room_before_it_fetches(
    hub: Hub, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hub.find("owner/many")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    seen = len(server.requests)
    with pytest.raises(InvalidRequestError, match="Make room"):
        hub.fetch(model)
    assert server.requests[seen:] == []


def test_takes_the_server_of_the_environment(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
    assert Hub(tmp_path).find("owner/alone").files[0].name == "only.gguf"


def test_reads_references() -> None:
    assert read_reference(" owner/na.me-GGUF:Q4_K_M ") == ("owner/na.me-GGUF", "Q4_K_M")
