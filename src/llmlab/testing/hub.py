"""A real HTTP server that speaks the Hugging Face Hub's protocol as far as fetching needs it."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Collection, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_COMMIT = "c0ffee" + 34 * "0"
_INFO = re.compile(r"/api/models/([^/]+/[^/?]+)(?:/revision/[^/?]+)?(?:\?.*)?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/[^/]+/([^?]+)(?:\?.*)?")
_RANGE = re.compile(r"bytes=(\d+)-")


class HubServer:
    """Serves repositories of files in a thread of its own.

    ``with HubServer({"owner/name": {"model.gguf": content}}) as hub: ... hub.url``

    Args:
        repositories: Content of each file by repository and name.
        gated: Repositories that are refused for want of consent.
        breaks: How many answers with content end after half of it.
        announced: SHA-256 to announce instead of a file's own, by its name.

    Attributes:
        requests: Method, path and first byte asked for, of all requests.
    """

    def __init__(
        self,
        repositories: Mapping[str, Mapping[str, bytes]],
        *,
        gated: Collection[str] = (),
        breaks: int = 0,
        announced: Mapping[str, str] | None = None,
    ) -> None:
        self.repositories = repositories
        self.gated = gated
        self.breaks = breaks
        self.announced = announced or {}
        self.requests: list[tuple[str, str, int]] = []
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self})
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def digest(self, name: str, content: bytes) -> str:
        """What it announces as a file's SHA-256."""
        return self.announced.get(name) or hashlib.sha256(content).hexdigest()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        asked = _RANGE.match(self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.hub.requests.append((self.command, self.path, start))
        if match := _INFO.fullmatch(self.path):
            self._answer_info(match[1])
        elif match := _FILE.fullmatch(self.path):
            self._answer_file(match[1], match[2], start)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")

    def _answer_info(self, repository: str) -> None:
        if repository not in self.hub.repositories:
            self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound")
            return
        files = self.hub.repositories[repository]
        siblings = [_sibling(self.hub, name, data) for name, data in files.items()]
        info = {"id": repository, "modelId": repository, "sha": _COMMIT, "siblings": siblings}
        self._send(json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _answer_file(self, repository: str, name: str, start: int) -> None:
        if repository in self.hub.gated:
            self._refuse(HTTPStatus.FORBIDDEN, "GatedRepo")
            return
        content = self.hub.repositories.get(repository, {}).get(name)
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
            return
        headers = {
            "X-Repo-Commit": _COMMIT,
            "ETag": f'"{self.hub.digest(name, content)}"',
            "X-Linked-Size": str(len(content)),
            "Accept-Ranges": "bytes",
        }
        self._send(content, headers, start)

    def _send(self, content: bytes, headers: Mapping[str, str], start: int = 0) -> None:
        body = content[start:]
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        for key, value in headers.items():
            self.send_header(key, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if "ETag" in headers and self.hub.breaks:
            self.hub.breaks -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _sibling(hub: HubServer, name: str, content: bytes) -> dict[str, Any]:
    size, digest = len(content), hub.digest(name, content)
    lfs = {"sha256": digest, "size": size, "pointerSize": 134}
    return {"rfilename": name, "size": size, "blobId": digest[:40], "lfs": lfs}
