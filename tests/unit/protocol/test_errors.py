"""Errors keep their kind over HTTP; foreign ones are understood."""

import orjson
import pytest

from llmlab import errors
from llmlab.protocol.errors import decode_error, encode_error, error_headers


@pytest.mark.parametrize(
    "error",
    [
        errors.ModelNotFoundError("no such model", param="model"),
        errors.ContextLengthError("too long"),
        errors.NoWorkerError("none"),
        errors.ToolError("bad input"),
        errors.EngineCrashedError("gone"),
    ],
    ids=lambda error: error.code,
)
def test_our_own_errors_come_back(error):
    again = decode_error(error.status, encode_error(error))
    assert (type(again), again.message, again.param) == (type(error), error.message, error.param)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, b'{"error": {"message": "bad", "code": 400}}', errors.InvalidRequestError, "bad"),
        (400, b'{"error": {"type": "exceed_context_size_error", "message": "9 > 8"}}',
         errors.ContextLengthError, "9 > 8"),
        (404, b'{"error": "model not found"}', errors.NotFoundError, "model not found"),
        (401, b'{"detail": "no"}', errors.AuthenticationError, "no"),
        (500, b"<html>oops</html>", errors.EngineError, "<html>oops</html>"),
        (502, b"", errors.EngineError, "The server answered with status 502."),
        (503, b"[1]", errors.UnavailableError, "[1]"),
    ],
)  # fmt: skip
def test_foreign_errors_are_understood(status, body, kind, message):
    error = decode_error(status, body)
    assert (type(error), error.message) == (kind, message)


def test_when_to_retry_travels_in_its_header():
    error = errors.NoWorkerError("none", retry_after=2.4)
    headers = error_headers(error)
    assert headers == {"retry-after": "2"}
    assert (
        decode_error(503, encode_error(error), retry_after=headers["retry-after"]).retry_after == 2
    )


def test_a_missing_key_is_asked_for():
    assert error_headers(errors.AuthenticationError("no"))["www-authenticate"] == "Bearer"


def test_the_body_has_openais_shape():
    body = orjson.loads(encode_error(errors.ModelNotFoundError("no", param="model")))
    assert body == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "code": "model_not_found",
            "param": "model",
        }
    }
