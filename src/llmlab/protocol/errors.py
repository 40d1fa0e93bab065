"""The one error shape, ``{"error": {"message", "type", "code", "param"}}``, both ways."""

from __future__ import annotations

from typing import Any

import orjson

from llmlab import errors
from llmlab.errors import LabError

_BY_CODE: dict[str, type[LabError]] = {}


def _collect(kind: type[LabError]) -> None:
    _BY_CODE.setdefault(kind.code, kind)
    for child in kind.__subclasses__():
        _collect(child)


_collect(LabError)

_BY_STATUS: dict[int, type[LabError]] = {
    401: errors.AuthenticationError,
    403: errors.AccessError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    413: errors.BodyTooLargeError,
    503: errors.UnavailableError,
    504: errors.DeadlineError,
}


def error_body(error: LabError) -> dict[str, Any]:
    """Return the body that tells a client of an error."""
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "code": error.code,
            "param": error.param,
        }
    }


def error_headers(error: LabError) -> dict[str, str]:
    """Return the headers that go with an error: Retry-After and WWW-Authenticate."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


def encode_error(error: LabError) -> bytes:
    """Return the error body as JSON."""
    return orjson.dumps(error_body(error))


def decode_error(status: int, body: bytes, *, retry_after: str | None = None) -> LabError:
    """Rebuild the error that another part of the lab, or a foreign server, answered.

    Args:
        status: HTTP status, 400 or more.
        body: Response body, in OpenAI's error shape or anything else.
        retry_after: The Retry-After header, in seconds.
    """
    message, code, param = _read(body)
    kind = _BY_CODE.get(code or "") or _by_status(status)
    error = kind(message or f"The server answered with status {status}.", param=param)
    if retry_after and retry_after.isdigit():
        error.retry_after = float(retry_after)
    return error


def _by_status(status: int) -> type[LabError]:
    fallback = errors.InvalidRequestError if 400 <= status < 500 else errors.EngineError
    return _BY_STATUS.get(status, fallback)


def _read(body: bytes) -> tuple[str | None, str | None, str | None]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:500].decode(errors="replace").strip() or None, None, None
    detail = content.get("error", content) if isinstance(content, dict) else content
    if not isinstance(detail, dict):
        return str(detail)[:500], None, None
    message = detail.get("message") or detail.get("detail")
    # llama.cpp names its errors by `type` where OpenAI has a `code`.
    overflow = detail.get("type") == "exceed_context_size_error"
    code = "context_length_exceeded" if overflow else detail.get("code")
    return (
        str(message) if message else None,
        code if isinstance(code, str) else None,
        detail.get("param") if isinstance(detail.get("param"), str) else None,
    )
