"""A lab that answers from a table, over real HTTP, and the command run against it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llmlab.cli.main import main

KEY = "lab-key-of-the-tests"


@dataclass
class FakeLab:
    """What the lab answers (or what to call for it), by method and path; what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    def fail(self, request: str, status: int, message: str, code: str = "invalid_request") -> None:
        error = {"message": message, "type": "x", "code": code, "param": None}
        self.answers[request] = (status, {"error": error})


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def _handler(lab: FakeLab) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            request = f"{self.command} {self.path.partition('?')[0]}"
            lab.asked.append((f"{self.command} {self.path}", body))
            answer = lab.answers.get(request)
            if callable(answer):
                answer = answer()
            status, kind = 200, "application/json"
            if self.headers.get("authorization") != f"Bearer {KEY}":
                answer = (401, {"error": {"message": "Wrong key.", "code": "invalid_api_key"}})
            elif answer is None:
                answer = (404, {"error": {"message": f"No {request}.", "code": "not_found"}})
            if isinstance(answer, tuple):
                status, answer = answer
            if isinstance(answer, list):
                kind = "text/event-stream"
                content = "".join(f"data: {json.dumps(event)}\n\n" for event in answer)
            else:
                content = answer if isinstance(answer, str) else json.dumps(answer)
            data = content.encode()
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    return Handler


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and no setting from outside."""
    for name in list(os.environ):
        if name.startswith(("LLMLAB_", "OPENAI_")) or name in ("LAB_API_URL", "LOG_LEVEL"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("LLMLAB_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def lab(home: Path) -> Iterator[FakeLab]:
    """A running lab, as its home folder tells; its process is this one."""
    fake = FakeLab()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    write_state(home, fake.url, os.getpid())
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_state(home: Path, url: str, pid: int) -> None:
    """Leave what a coordinator writes down."""
    import psutil

    try:
        began = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        began = time.time()
    (home / "run").mkdir(parents=True, exist_ok=True)
    state = {"pid": pid, "url": url, "started_at": began + 0.5, "instance_id": "i" * 12}
    (home / "run" / "coordinator.json").write_text(json.dumps(state))
    (home / "key").write_text(KEY + "\n")


Run = Callable[..., Outcome]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command with words and return what it printed."""

    def run(*words: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        shown = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), shown.out, shown.err)

    return run
