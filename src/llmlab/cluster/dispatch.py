"""Route -> node, with failover for as long as the client has been shown nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from llmlab.cluster.attempts import Attempts, another_node_may_help
from llmlab.cluster.calls import Call
from llmlab.cluster.links import Links
from llmlab.cluster.nodes import Node, NodeRegistry
from llmlab.cluster.relay import Relay
from llmlab.cluster.routing.base import RoutingPolicy
from llmlab.errors import DeadlineError, EngineError, LabError
from llmlab.protocol import sse
from llmlab.protocol.errors import decode_error
from llmlab.protocol.openai_answers import ChunkWriter, read_chunks, read_usage
from llmlab.types import Chunk, Usage


@dataclass(slots=True, eq=False)
class Whole:
    """A whole answer and who made it; ``content`` is ``body`` decoded."""

    node: str
    body: bytes
    content: dict[str, Any]

    @property
    def usage(self) -> Usage | None:
        """Token counts, where the node told them."""
        try:
            return read_usage(self.content.get("usage"))
        except (TypeError, ValueError):
            return None


class Dispatcher:
    """Brings calls to nodes.

    Args:
        nodes: Who is there.
        policy: Who is asked first.
        links: The connections.
        timeout: Deadline of a whole answer in seconds.
    """

    def __init__(
        self, nodes: NodeRegistry, policy: RoutingPolicy, links: Links, *, timeout: float
    ) -> None:
        self._nodes = nodes
        self._policy = policy
        self._links = links
        self._timeout = timeout

    def attempts(self, call: Call) -> Attempts:
        """Return the nodes that a call tries."""
        return Attempts(self._nodes, self._policy, call)

    async def whole(self, call: Call, *, timeout: float | None = None) -> Whole:
        """Return a whole answer from the first node that gives one.

        Args:
            call: The call.
            timeout: Deadline in seconds, where it is another than the dispatcher's.

        Raises:
            LabError: Why there is none.
        """
        seconds = timeout or self._timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._whole(call)
        except TimeoutError as error:
            raise DeadlineError(
                f"There was no answer within {seconds:g} seconds; the setting"
                " request_timeout raises the limit."
            ) from error

    async def _whole(self, call: Call) -> Whole:
        attempts = self.attempts(call)
        failure: LabError | None = None
        while True:
            node = await attempts.next(failure)
            node.in_flight += 1
            try:
                return await self._ask(node, call)
            except LabError as error:
                if not another_node_may_help(error):
                    raise
                failure = error
            finally:
                node.in_flight -= 1

    async def _ask(self, node: Node, call: Call) -> Whole:
        if node.streams_only and call.operation is not None:
            return await self._gather(node, call)
        upstream = await self._links.post(node, call)
        await upstream.check()
        body = await upstream.read()
        return Whole(node.name, body, _decoded(node, body))

    async def _gather(self, node: Node, call: Call) -> Whole:
        """Put a whole answer together from a stream, which the node stops when it is closed."""
        assert call.operation is not None
        body = orjson.loads(call.body) | {
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        upstream = await self._links.post(node, call, orjson.dumps(body))
        chunks: list[Chunk] = []
        try:
            await upstream.check()
            async for payload in sse.payloads(upstream):
                if payload == sse.DONE_PAYLOAD:
                    break
                chunks += read_chunks(payload)
            else:
                raise EngineError(f"The node {node.name} ended its answer early.")
        finally:
            upstream.close()
        whole = ChunkWriter(call.model, call.operation).whole(chunks)
        return Whole(node.name, whole, orjson.loads(whole))

    async def stream(self, call: Call) -> Relay:
        """Return a stream that has begun.

        Raises:
            LabError: Why no node began one.
        """
        relay = Relay(self._links, self.attempts(call), call)
        await relay.start()
        return relay


def _decoded(node: Node, body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise EngineError(f"The node {node.name} answered something that is no JSON.") from error
    if not isinstance(content, dict):
        raise EngineError(f"The node {node.name} answered something that is no JSON object.")
    if content.get("error") and "choices" not in content and "data" not in content:
        # Some servers tell an error under the status of a success.
        raise decode_error(502, body)
    return content
