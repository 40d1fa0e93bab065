from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest
from aiohttp import web

from llmlab.models import detect as detection
from llmlab.models.detect import Candidate, detect, find_files, search_folders
from llmlab.settings import Settings
from llmlab.testing import Reply, ScriptedServer


def names(folder: Path) -> list[str]:
    return [record.key for record in find_files([folder])]


def put(tiny_file: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tiny_file, target)
    return target


def test_files_in_the_usual_folders_and_the_given_ones(tmp_path: Path, tiny_file: Path) -> None:
    user = tmp_path / "user"
    put(tiny_file, user / ".lmstudio/models/maker/repo/studio.gguf")
    put(tiny_file, user / ".cache/llama.cpp/cached.GGUF")
    put(tiny_file, user / "models/deep/er/own.gguf")
    put(tiny_file, tmp_path / "given/mine.gguf")
    (user / "models/readme.txt").write_text("no model")
    settings = Settings.from_dict({"model_folders": str(tmp_path / "given")})
    found = asyncio.run(detect(settings, user_home=user, candidates=()))
    assert [record.key for record in found.files] == ["mine", "studio", "cached", "own"]
    record = found.files[0]
    assert (record.engine, record.source, record.context_length) == ("llama_cpp", "detected", 2048)
    assert found.records() == list(found.files)


def test_looking_can_be_switched_off(tmp_path: Path, tiny_file: Path) -> None:
    put(tiny_file, tmp_path / "models/own.gguf")
    settings = Settings.from_dict({"detect": False})
    assert asyncio.run(detect(settings, user_home=tmp_path, candidates=())).records() == []


def test_the_hugging_face_cache(tmp_path: Path, tiny_file: Path) -> None:
    repo = tmp_path / "hub/models--maker--repo"
    digest = "ab" * 32
    blob = put(tiny_file, repo / "blobs" / digest)
    for revision in ("one", "two"):
        link = repo / "snapshots" / revision / "model-Q8_0.gguf"
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (record,) = find_files([tmp_path / "hub"])
    assert record.key == "model-Q8_0"
    assert record.digest == digest


def test_folders_that_loop_and_links_that_lead_nowhere(tmp_path: Path, tiny_file: Path) -> None:
    put(tiny_file, tmp_path / "a/model.gguf")
    (tmp_path / "a/loop").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a/gone.gguf").symlink_to(tmp_path / "nowhere.gguf")
    (tmp_path / "a/folder.gguf").mkdir()
    os.mkfifo(tmp_path / "a/pipe.gguf")
    assert names(tmp_path) == ["model"]


def test_what_is_damaged_or_not_a_model_is_left_out(tmp_path: Path, tiny_file: Path) -> None:
    put(tiny_file, tmp_path / "good.gguf")
    put(tiny_file, tmp_path / "mmproj-good.gguf")
    put(tiny_file, tmp_path / ".hidden/secret.gguf")
    (tmp_path / "truncated.gguf").write_bytes(tiny_file.read_bytes()[:1000])
    (tmp_path / "foreign.gguf").write_bytes(b"PK\x03\x04" * 100)
    assert names(tmp_path) == ["good"]


def test_a_split_model_is_one_and_only_when_all_of_it_is_there(
    tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without inspection: the tiny file is not really one of two.
    monkeypatch.setattr(detection, "INSPECTION_SECONDS", -1)
    put(tiny_file, tmp_path / "whole-00001-of-00002.gguf")
    put(tiny_file, tmp_path / "whole-00002-of-00002.gguf")
    put(tiny_file, tmp_path / "partial-00001-of-00002.gguf")
    (record,) = find_files([tmp_path])
    assert record.key == "whole"
    assert record.size_bytes == 2 * tiny_file.stat().st_size


def test_headers_are_left_for_later_when_there_are_many(
    tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "INSPECTION_SECONDS", -1)
    put(tiny_file, tmp_path / "good.gguf")
    (tmp_path / "foreign.gguf").write_bytes(b"nothing")
    (record,) = find_files([tmp_path])
    assert (record.key, record.context_length) == ("good", 0)


def test_the_search_is_bounded(
    tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        put(tiny_file, tmp_path / f"m{number}.gguf")
    monkeypatch.setattr(detection, "MOST_FILES", 5)
    assert len(find_files([tmp_path])) == 5
    monkeypatch.setattr(detection, "MOST_ENTRIES", 3)
    assert len(find_files([tmp_path])) == 3
    assert find_files([tmp_path], deadline=-1) == []


def test_folders_too_deep_are_left_alone(tmp_path: Path, tiny_file: Path) -> None:
    put(tiny_file, tmp_path / "/".join("abcdefghijkl") / "deep.gguf")
    assert names(tmp_path) == []


def test_a_network_drive_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "FOLDERS_DEADLINE", 0.01)
    monkeypatch.setattr(detection, "find_files", lambda _: time.sleep(0.2))
    found = asyncio.run(detect(Settings(), user_home=tmp_path, candidates=()))
    assert found.files == ()


def test_the_folders_searched(tmp_path: Path) -> None:
    folders = search_folders(Settings.from_dict({"model_folders": "/x,~/y"}), tmp_path)
    assert folders[0] == Path("/x")
    assert folders[1] == Path("~/y").expanduser()
    assert tmp_path / ".cache/huggingface/hub" in folders


async def test_servers_and_their_models(tmp_path: Path) -> None:
    models = ["llama3:latest", "/srv/my models/Big Model.gguf", "qwen/qwen3-4b"]
    async with (
        ScriptedServer(models=["gemma:2b", "llama3:latest"], ollama=True) as ollama,
        ScriptedServer(models=models) as server,
    ):
        found = await detect(
            Settings(),
            user_home=tmp_path,
            candidates=(
                Candidate("ollama", ollama.url),
                Candidate("openai", server.url),
                Candidate("openai", "http://127.0.0.1:1"),
            ),
        )
    first, second = found.servers
    assert (first.engine, first.url) == ("ollama", ollama.url)
    assert [model.key for model in first.models] == ["gemma:2b", "llama3"]
    assert first.models[1].served_name == "llama3:latest"
    assert [model.key for model in second.models] == ["llama3", "Big-Model", "qwen/qwen3-4b"]
    assert second.models[1].url == server.url
    assert len(found.records()) == 5


async def test_ourselves_and_other_labs_are_no_engines(tmp_path: Path) -> None:
    async def health(_: web.Request) -> web.Response:
        return web.json_response({"instance_id": "me"})

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "loop"}]})

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/v1/models", models)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    candidates = [Candidate("openai", url)]
    try:
        own = await detect(Settings(), {"me"}, user_home=tmp_path, candidates=candidates)
        other = await detect(Settings(), {"you"}, user_home=tmp_path, candidates=candidates)
    finally:
        await runner.cleanup()
    assert (own.servers, own.labs) == ((), ())
    assert (other.servers, other.labs) == ((), (url,))


async def test_servers_that_refuse_or_hang_or_talk_nonsense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "SERVER_DEADLINE", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    async with (
        ScriptedServer(api_key="secret", replies=[Reply()]) as locked,
        await asyncio.start_server(silent, "127.0.0.1", 0) as hanging,
        await asyncio.start_server(rude, "127.0.0.1", 0) as other,
    ):
        ports = [server.sockets[0].getsockname()[1] for server in (hanging, other)]
        started = time.monotonic()
        found = await detect(
            Settings(),
            user_home=tmp_path,
            candidates=[
                Candidate("openai", locked.url),
                Candidate("ollama", locked.url),
                *(Candidate("openai", f"http://127.0.0.1:{port}") for port in ports),
            ],
        )
        assert time.monotonic() - started < 3
    assert found.servers == ()
