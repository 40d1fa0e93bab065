"""``/v1/chat/completions``, ``/v1/completions`` and ``/v1/embeddings``, ahead of FastAPI.

A request is decoded once, checked, keyed, and answered from memory or by bytes that are passed on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from llmlab.cluster.calls import CHAT_PATH, COMPLETION_PATH, EMBEDDING_PATH, Call, Reply
from llmlab.cluster.inference import Inference
from llmlab.cluster.ledger import CLIENT_LEFT, Entry, Ledger
from llmlab.errors import InvalidRequestError, LabError
from llmlab.log import get_logger
from llmlab.protocol import sse
from llmlab.protocol.access import App, Receive, Scope, Send
from llmlab.protocol.connection import Departure
from llmlab.protocol.errors import encode_error, error_headers
from llmlab.protocol.openai import (
    ChatCompletionBody,
    CompletionBody,
    EmbeddingBody,
    check,
    parse_json,
)

logger = get_logger(__name__)

BODIES: dict[str, type[ChatCompletionBody | CompletionBody | EmbeddingBody]] = {
    CHAT_PATH: ChatCompletionBody,
    COMPLETION_PATH: CompletionBody,
    EMBEDDING_PATH: EmbeddingBody,
}
KINDS = {path: path.removeprefix("/v1/").replace("/", ".") for path in BODIES}

_JSON = (b"content-type", b"application/json")
_EVENTS = [(name.encode(), value.encode()) for name, value in sse.HEADERS.items()]
_HIT = (b"x-llmlab-cache", b"hit")
_MISS = (b"x-llmlab-cache", b"miss")
_HOPS = b"x-llmlab-hops"
_CACHE_CONTROL = b"cache-control"
_RETRY = b"x-stainless-retry-count"


class HotPath:
    """Answers the routes of OpenAI's API that ask a model, and passes the rest on.

    Args:
        app: The application behind it.
        inference: The one door to models.
        ledger: Where calls are counted and recorded.
    """

    def __init__(self, app: App, inference: Inference, ledger: Ledger) -> None:
        self._app = app
        self._inference = inference
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in BODIES:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        ledger = self._ledger
        ledger.in_flight += 1
        began = time.perf_counter()
        entry = Entry(KINDS[scope["path"]], CLIENT_LEFT, 0.0, scope["state"]["tenant"])
        try:
            await self._answer(entry, scope, receive, send)
        except LabError as error:
            entry.status, entry.error = error.status, error
            await _refuse(send, error)
        except Exception as error:
            logger.exception("A request failed", extra={"path": scope["path"]})
            entry.status = 500
            await _refuse(send, LabError(f"The lab made a mistake ({type(error).__name__})."))
        finally:
            ledger.in_flight -= 1
            entry.seconds = time.perf_counter() - began
            ledger.enter(entry)

    async def _answer(self, entry: Entry, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        call = self._call(scope, body, entry.tenant)
        entry.model, entry.run_id = call.model, call.run_id
        with Departure(receive):
            async with await self._inference.send(call) as reply:
                entry.node, entry.cache_hit = reply.node, reply.cache_hit
                await _send(send, call, reply)
                entry.status = 200
            entry.usage = reply.usage if reply.pieces is None else reply.pieces.usage

    def _call(self, scope: Scope, body: bytes, tenant: str) -> Call:
        path = scope["path"]
        content = parse_json(body)
        checked = check(BODIES[path], content)
        if isinstance(checked, CompletionBody) and not isinstance(checked.prompt, str):
            _check_one_prompt(checked.prompt)
        hops, cache_control = _told_by_headers(scope["headers"])
        return self._inference.prepare(
            path, content, tenant=tenant, cache_control=cache_control, hops=hops
        )


def _check_one_prompt(prompts: list[str]) -> None:
    if len(prompts) != 1:
        raise InvalidRequestError("Give one prompt in a request.", param="prompt")


def _told_by_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, str | None]:
    hops, cache_control = 0, None
    for name, value in headers:
        if name == _HOPS:
            hops = int(value) if value.isdigit() and len(value) < 4 else 1
        elif name == _CACHE_CONTROL:
            cache_control = value.decode("latin-1")
        elif name == _RETRY and value != b"0" and cache_control is None:
            # Who asks again did not get the answer, or did not like it.
            cache_control = "no-cache"
    return hops, cache_control


def answer_headers(node: str, run_id: str, *, cache_hit: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers that say where an answer came from."""
    return [
        (b"x-llmlab-node", node.encode("latin-1", "replace")),
        _HIT if cache_hit else _MISS,
        (b"x-llmlab-run", run_id.encode()),
    ]


async def _send(send: Send, call: Call, reply: Reply) -> None:
    headers = answer_headers(reply.node, call.run_id, cache_hit=reply.cache_hit)
    headers += _EVENTS if call.stream else (_JSON,)
    if reply.body is not None:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if reply.pieces is None:
        await send({"type": "http.response.body", "body": reply.body or b""})
        return
    end = b""
    try:
        async for piece in reply.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except LabError as error:
        # The status has been sent: what is left is to say it in the stream.
        end = sse.frame(encode_error(error))
    await send({"type": "http.response.body", "body": end})


async def _refuse(send: Send, error: LabError) -> None:
    body = encode_error(error)
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    headers += [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
