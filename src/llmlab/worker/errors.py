"""Turns every error into the one shape, from one place."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from llmlab.errors import (
    InvalidRequestError,
    LabError,
    MethodNotAllowedError,
    NotFoundError,
)
from llmlab.log import get_logger
from llmlab.protocol.errors import encode_error, error_headers

_log = get_logger(__name__)


def install_error_handlers(app: FastAPI) -> None:
    """Make an application answer every error in the one shape."""
    app.add_exception_handler(LabError, _handle)
    app.add_exception_handler(RequestValidationError, _handle)
    app.add_exception_handler(HTTPException, _handle)
    app.add_exception_handler(Exception, _handle)


async def _handle(request: Request, error: Exception) -> Response:
    translated = _translated(request, error)
    if translated.status >= 500:
        _log.warning(
            "request failed",
            extra={
                "path": request.url.path,
                "code": translated.code,
                "reason": translated.message,
            },
            exc_info=error if not isinstance(error, LabError) else None,
        )
    return Response(
        encode_error(translated),
        status_code=translated.status,
        headers=error_headers(translated) | dict(getattr(error, "headers", None) or {}),
        media_type="application/json",
    )


def _translated(request: Request, error: Exception) -> LabError:
    where = f"{request.method} {request.url.path[:200]}"
    match error:
        case LabError():
            return error
        case RequestValidationError():
            return _invalid(error)
        case HTTPException(status_code=404):
            return NotFoundError(f"There is no route {where}; /docs lists the ones that exist.")
        case HTTPException(status_code=405):
            return MethodNotAllowedError(f"There is no {where}; the path knows other methods.")
        case HTTPException(status_code=status, detail=detail) if status < 500:
            return InvalidRequestError(str(detail))
        case _:
            return LabError("Something went wrong inside the lab; its log file says what.")


def _invalid(error: RequestValidationError) -> InvalidRequestError:
    first = error.errors()[0]
    # FastAPI's location begins with where the field was: query, path, body.
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    where = f"`{param}`: " if param else ""
    return InvalidRequestError(f"Invalid request: {where}{first['msg']}.", param=param)
