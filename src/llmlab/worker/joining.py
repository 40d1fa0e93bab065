"""Keeps a worker in the lab: joins, sends heartbeats, and joins again when the line breaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from typing import Final, NoReturn

import aiohttp
from pydantic import ValidationError

from llmlab import __version__
from llmlab.errors import AccessError, EngineError, LabError, NodeUnreachableError
from llmlab.log import get_logger
from llmlab.protocol.mesh import (
    Capabilities,
    Heartbeat,
    Join,
    Joined,
    Leave,
    Refused,
    from_coordinator,
)
from llmlab.worker.service import Worker

CONNECT_DEADLINE: Final = 5.0
REPLY_DEADLINE: Final = 10.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 3.0
LARGEST_MESSAGE: Final = 1_000_000

_log = get_logger(__name__)


class Joiner:
    """Holds the worker's line to the coordinator; the worker serves with or without it.

    Args:
        worker: Who joins.
        coordinator_url: Address of the coordinator.
        own_url: Where the coordinator reaches the worker.
        secret: What the coordinator knows the lab's nodes by.

    Attributes:
        node_id: The id that the coordinator gave; None while the line is down.
    """

    def __init__(self, worker: Worker, *, coordinator_url: str, own_url: str, secret: str) -> None:
        self.node_id: str | None = None
        self._worker = worker
        self._url = coordinator_url.rstrip("/") + "/ws/join"
        self._own_url = own_url
        self._secret = secret
        self._epoch = 0
        self._sent: Capabilities | None = None
        self._pause = FIRST_PAUSE
        self._problem = ""

    async def run(self) -> None:
        """Join and stay joined until cancelled; then say goodbye."""
        async with aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._secret}"},
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_DEADLINE),
        ) as session:
            while True:
                self._note(await self._until_the_line_breaks(session))
                # Workers that lost the same coordinator must not all come back at once.
                pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
                self._pause = min(self._pause * 1.6, LONGEST_PAUSE)
                await asyncio.sleep(pause)

    def _note(self, problem: str) -> None:
        # A coordinator that is away for an hour is one line in the log, not a thousand.
        level = logging.DEBUG if problem == self._problem else logging.WARNING
        self._problem = problem
        _log.log(level, "not in the lab", extra={"coordinator": self._url, "reason": problem})

    async def _until_the_line_breaks(self, session: aiohttp.ClientSession) -> str:
        try:
            await self._join_and_stay(session)
        except LabError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - a worker that stops to try is lost
            _log.exception("line failed")
            return repr(error)

    async def _join_and_stay(self, session: aiohttp.ClientSession) -> NoReturn:
        try:
            async with asyncio.timeout(CONNECT_DEADLINE):
                socket = await session.ws_connect(self._url, max_msg_size=LARGEST_MESSAGE)
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                raise AccessError("The coordinator does not accept this node's secret.") from error
            raise NodeUnreachableError(f"The coordinator answered {error.status}.") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NodeUnreachableError(f"The coordinator cannot be reached: {error}.") from error
        try:
            joined = await self._introduce(socket)
            self.node_id, self._pause, self._problem = joined.node_id, FIRST_PAUSE, ""
            _log.info("joined the lab", extra={"coordinator": self._url, "node": joined.node_id})
            await self._stay(socket, joined.heartbeat_interval)
        except (aiohttp.ClientError, OSError) as error:
            raise NodeUnreachableError(f"The line broke: {error}.") from error
        finally:
            self.node_id = None
            await _leave(socket)

    async def _introduce(self, socket: aiohttp.ClientWebSocketResponse) -> Joined:
        self._epoch += 1
        self._sent = self._worker.capabilities()
        join = Join(
            kind=self._worker.kind,
            name=self._worker.name,
            instance_id=self._worker.instance_id,
            epoch=self._epoch,
            url=self._own_url,
            version=__version__,
            pid=os.getpid(),
            capabilities=self._sent,
            load=self._worker.vitals.load(),
        )
        await socket.send_str(join.model_dump_json())
        try:
            async with asyncio.timeout(REPLY_DEADLINE):
                reply = await socket.receive()
        except TimeoutError as error:
            raise NodeUnreachableError("The coordinator did not answer the join.") from error
        if reply.type is not aiohttp.WSMsgType.TEXT:
            raise NodeUnreachableError("The coordinator closed the line.")
        try:
            message = from_coordinator.validate_json(reply.data)
        except ValidationError as error:
            raise EngineError("The coordinator answered something that is no reply.") from error
        if isinstance(message, Refused):
            raise AccessError(f"The coordinator refused: {message.message} ({message.code})")
        return message

    async def _stay(self, socket: aiohttp.ClientWebSocketResponse, interval: float) -> NoReturn:
        beating = asyncio.create_task(self._beat(socket, interval), name="heartbeats")
        try:
            await _listen(socket)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat(self, socket: aiohttp.ClientWebSocketResponse, interval: float) -> None:
        try:
            await self._send_heartbeats(socket, interval)
        finally:
            # Whoever listens learns that nobody speaks any more.
            await _leave(socket)

    async def _send_heartbeats(
        self, socket: aiohttp.ClientWebSocketResponse, interval: float
    ) -> NoReturn:
        changed = self._worker.changed
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await changed.wait()
            changed.clear()
            capabilities = self._worker.capabilities()
            news = None if capabilities == self._sent else capabilities
            heartbeat = Heartbeat(load=self._worker.vitals.load(), capabilities=news)
            await socket.send_str(heartbeat.model_dump_json())
            self._sent = capabilities


async def _listen(socket: aiohttp.ClientWebSocketResponse) -> NoReturn:
    """Read until the line ends; messages that are not known yet are passed over."""
    while True:
        message = await socket.receive()
        if message.type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.CLOSING,
            aiohttp.WSMsgType.ERROR,
        ):
            raise NodeUnreachableError("The coordinator ended the line.")


async def _leave(socket: aiohttp.ClientWebSocketResponse) -> None:
    if not socket.closed:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await socket.send_str(Leave().model_dump_json())
                await socket.close()
