"""One stream from a node to a client: bytes are passed on, and decoded only where they must be."""

from __future__ import annotations

import re

import orjson

from llmlab.cluster.attempts import Attempts, another_node_may_help
from llmlab.cluster.calls import Call
from llmlab.cluster.links import Links, Upstream
from llmlab.cluster.nodes import Node
from llmlab.errors import EngineError, LabError, NodeUnreachableError
from llmlab.protocol import sse
from llmlab.protocol.errors import encode_error
from llmlab.protocol.openai_answers import read_chunks, read_usage
from llmlab.types import Usage

# Enough of the end to see `data: [DONE]` in it, however the pieces are cut.
_TAIL = 24
_EVENT_END = re.compile(rb"\r?\n\r?\n")
# What comes before the first token is short, or it is no stream of events.
_LONGEST_START = 1_000_000
# In text of the model the quotes would be escaped.
_USAGE = b'"prompt_tokens"'


class Relay:
    """A stream that moves to another node for as long as it has shown nothing.

    Comments, which a node sends while it loads a model, show nothing.

    Args:
        links: The connections.
        attempts: The nodes to try.
        call: The call.

    Attributes:
        node: Name of the node that answers.
        complete: Whether the stream came to its proper end.
        failure: Why it did not.
        usage: Token counts, once the node has told them.
    """

    def __init__(self, links: Links, attempts: Attempts, call: Call) -> None:
        self.node = ""
        self.complete = False
        self.failure: LabError | None = None
        self.usage: Usage | None = None
        self._links = links
        self._attempts = attempts
        self._call = call
        self._from: Node | None = None
        self._upstream: Upstream | None = None
        self._first = b""
        self._shown = False
        self._held = b""
        self._tail = b""

    async def start(self) -> None:
        """Wait for the first bytes of the first node that sends any.

        Raises:
            LabError: No node began.
        """
        self._first = await self._begin(None)

    async def _begin(self, failure: LabError | None) -> bytes:
        while True:
            node = await self._attempts.next(failure)
            try:
                return await self._open(node)
            except LabError as error:
                self.close()
                if not another_node_may_help(error):
                    raise
                failure = error
            except BaseException:
                self.close()
                raise

    async def _open(self, node: Node) -> bytes:
        self._from, self.node = node, node.name
        node.in_flight += 1
        upstream = await self._links.post(node, self._call)
        self._upstream = upstream
        await upstream.check()
        if not upstream.content_type.startswith("text/event-stream"):
            raise EngineError(f"The node {node.name} did not stream its answer.")
        return await self._read(upstream)

    async def _read(self, upstream: Upstream) -> bytes:
        """Return what can be shown next; empty at the proper end."""
        while piece := await upstream.next():
            self._note(piece)
            if not self._shown:
                piece = self._sifted(piece)
            if piece:
                return piece
        if self.complete:
            return self._let_go()
        raise NodeUnreachableError(f"The node {self.node} ended its answer early.")

    def _note(self, piece: bytes) -> None:
        if _USAGE in piece:
            self.usage = _usage_in(piece) or self.usage
        self._tail = (self._tail + piece)[-_TAIL:] if len(piece) < _TAIL else piece[-_TAIL:]
        self.complete = sse.DONE_PAYLOAD in self._tail

    def _sifted(self, piece: bytes) -> bytes:
        """Hold back what shows nothing yet, so that another node can begin afresh.

        Comments pass: they keep the connection open while a model is loaded.
        """
        text, start = self._held + piece, 0
        comments = kept = b""
        while end := _EVENT_END.search(text, start):
            event, start = text[start : end.end()], end.end()
            if event.startswith(b":"):
                comments += event
            elif _shows(event):
                self._shown = True
                self._held = b""
                return comments + kept + event + text[start:]
            else:
                kept += event
        self._held = kept + text[start:]
        self._shown = len(self._held) > _LONGEST_START
        return comments + (self._let_go() if self._shown else b"")

    def _let_go(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def __aiter__(self) -> Relay:
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes; a failure ends the stream with an error event."""
        piece, self._first = self._first, b""
        if not piece and self._upstream is not None:
            try:
                piece = await self._next()
            except LabError as error:
                self.close()
                self.failure = error
                return sse.frame(encode_error(error))
        if not piece:
            self.close()
            raise StopAsyncIteration
        return piece

    async def _next(self) -> bytes:
        assert self._upstream is not None
        try:
            return await self._read(self._upstream)
        except LabError as error:
            if self._shown or not another_node_may_help(error):
                raise
            self.close()
            return await self._begin(error)

    def close(self) -> None:
        """Let go of the node; one that has not finished stops."""
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        self._held = b""
        if self._from is not None:
            self._from.in_flight -= 1
            self._from = None


def _shows(event: bytes) -> bool:
    """Tell whether a client that has seen this event has seen a part of the answer.

    Raises:
        LabError: The event is an error, or none of OpenAI's.
    """
    lines = [line.strip() for line in event.split(b"\n") if line.startswith(b"data:")]
    payload = b"\n".join(line[5:].strip() for line in lines)
    if not payload:
        return False
    if payload == sse.DONE_PAYLOAD:
        return True
    return any(
        chunk.text or chunk.reasoning or chunk.tool_calls or chunk.finish_reason
        for chunk in read_chunks(payload)
    )


def _usage_in(piece: bytes) -> Usage | None:
    for line in reversed(piece.split(b"\n")):
        if _USAGE in line:
            try:
                return read_usage(orjson.loads(line.removeprefix(b"data:")).get("usage"))
            except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError):
                # Cut in two, or no usage at all: the answer is as good without.
                return None
    return None
