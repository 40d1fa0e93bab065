"""What a request's headers say of who asks."""

from __future__ import annotations

from starlette.requests import Request

from llmlab.protocol.openai import NODE_HEADER, RUN_HEADER
from llmlab.types import new_id
from llmlab.worker.access import NODE_TENANT
from llmlab.worker.generation import Caller

_LONGEST_RUN_ID = 64


def caller_of(request: Request, node: str) -> Caller:
    """Return who asks; the coordinator has asked the response cache before it came here."""
    tenant = request.state.tenant
    return Caller(
        tenant=None if tenant == NODE_TENANT else tenant,
        cache_control=request.headers.get("cache-control"),
        headers={NODE_HEADER: node, RUN_HEADER: _run_id(request)},
    )


def _run_id(request: Request) -> str:
    given = request.headers.get(RUN_HEADER, "")
    # The coordinator's id, which the record goes by; others cannot choose one.
    trusted = request.state.tenant == NODE_TENANT and given.isascii() and given.isprintable()
    return given if trusted and 0 < len(given) <= _LONGEST_RUN_ID else new_id("run")
