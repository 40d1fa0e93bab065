"""``/api/session``: signing in turns the key into a cookie, for browsers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from llmlab.api.auth import SESSION_SECONDS, Doorkeeper
from llmlab.errors import AuthenticationError
from llmlab.protocol.access import SESSION_COOKIE
from llmlab.worker.bodies import documented, read_as


class SignInBody(BaseModel):
    """``POST /api/session``."""

    key: str = Field(min_length=1, max_length=500)


def router(doorkeeper: Doorkeeper) -> APIRouter:
    """Return the routes; signing in needs no key but the one in the body."""
    routes = APIRouter(tags=["session"])

    @routes.post("/session", status_code=204, openapi_extra=documented(SignInBody))
    async def sign_in(body: SignInBody = read_as(SignInBody)) -> Response:
        """Turn the lab's key into a session cookie."""
        cookie = doorkeeper.sign_in(body.key)
        if cookie is None:
            raise AuthenticationError("This is not the lab's key; `llmlab key` prints it.")
        response = Response(status_code=204)
        response.set_cookie(
            SESSION_COOKIE, cookie, max_age=SESSION_SECONDS, httponly=True, samesite="strict"
        )
        return response

    @routes.delete("/session", status_code=204)
    async def sign_out() -> Response:
        """Take the cookie away."""
        response = Response(status_code=204)
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return response

    return routes
