"""Every error that LLM Lab raises on purpose.

LabError                            an error with a stable code and an HTTP status
├── InvalidRequestError       400   the request cannot be served as it is
│   ├── ContextLengthError    400   prompt and answer do not fit the model's context
│   ├── InvalidModelFileError 400   a model file is truncated, damaged or of another kind
│   ├── BodyTooLargeError     413   the request body is over the limit
│   ├── MethodNotAllowedError 405   the path knows other methods
│   ├── BodyTimeoutError      408   the request body did not arrive in time
│   └── NotFoundError         404   no such thing
│       ├── ModelNotFoundError 404  no such model; the message lists the ones that exist
│       └── ToolNotFoundError 404   no such tool
├── AccessError               403   the caller may not do this
│   └── AuthenticationError   401   no key, or a wrong one
├── ConflictError             409   the thing is busy or in another state
│   └── RunCancelledError     409   somebody cancelled the run
├── UnavailableError          503   try again later (``retry_after`` in seconds)
│   ├── NoWorkerError         503   no node can serve the request at present
│   ├── ModelLoadingError     503   the model is still being loaded
│   └── OutOfMemoryError      503   the model does not fit the memory that is free
├── EngineError               502   an engine or a node answered wrongly
│   ├── EngineCrashedError    502   the engine's process ended
│   └── NodeUnreachableError  502   a node did not answer
├── DeadlineError             504   the deadline passed
├── ToolError                 422   a tool refused its input or failed
├── PlanError                 422   the model gave no usable plan
├── StoreError                500   the database refused
│   └── StoreUnavailableError 503   the database cannot be used now; nothing of the call is kept
└── ConfigurationError        500   a setting has a value that is not allowed
"""

from __future__ import annotations

from typing import Any, ClassVar


class LabError(Exception):
    """An error with a message for people and a code for programs.

    Attributes:
        message: What happened and what the user can do about it.
        code: Stable identifier, part of the HTTP contract.
        status: HTTP status that the error maps to.
        type: OpenAI's error type.
        param: Name of the request field at fault, if there is one.
        retry_after: Seconds after which a retry makes sense, if it does.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.param, self.retry_after))


def _rebuild(
    kind: type[LabError], message: str, param: str | None, retry_after: float | None
) -> LabError:
    return kind(message, param=param, retry_after=retry_after)


class InvalidRequestError(LabError):
    """The request cannot be served as it is."""

    code = "invalid_request"
    status = 400
    type = "invalid_request_error"


class ContextLengthError(InvalidRequestError):
    """Prompt and answer do not fit the model's context."""

    code = "context_length_exceeded"


class InvalidModelFileError(InvalidRequestError):
    """A model file is truncated, damaged or of another kind."""

    code = "invalid_model_file"


class BodyTooLargeError(InvalidRequestError):
    """The request body is over the limit."""

    code = "body_too_large"
    status = 413


class BodyTimeoutError(InvalidRequestError):
    """The request body did not arrive in time."""

    code = "body_timeout"
    status = 408


class MethodNotAllowedError(InvalidRequestError):
    """The route exists, but not for this method."""

    code = "method_not_allowed"
    status = 405


class NotFoundError(InvalidRequestError):
    """No such thing."""

    code = "not_found"
    status = 404


class ModelNotFoundError(NotFoundError):
    """No such model."""

    code = "model_not_found"


class ToolNotFoundError(NotFoundError):
    """No such tool."""

    code = "tool_not_found"


class AccessError(LabError):
    """The caller may not do this."""

    code = "forbidden"
    status = 403
    type = "permission_error"


class AuthenticationError(AccessError):
    """No key, or a wrong one."""

    code = "invalid_api_key"
    status = 401
    type = "authentication_error"


class ConflictError(LabError):
    """The thing is busy or in another state."""

    code = "conflict"
    status = 409
    type = "invalid_request_error"


class RunCancelledError(ConflictError):
    """Somebody cancelled the run."""

    code = "run_cancelled"


class UnavailableError(LabError):
    """The lab cannot serve this now; a retry may succeed."""

    code = "unavailable"
    status = 503

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = 5.0
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after)


class NoWorkerError(UnavailableError):
    """No node can serve the request at present."""

    code = "no_worker"


class ModelLoadingError(UnavailableError):
    """The model is still being loaded."""

    code = "model_loading"


class OutOfMemoryError(UnavailableError):
    """The model does not fit the memory that is free."""

    code = "out_of_memory"


class EngineError(LabError):
    """An engine or a node answered wrongly."""

    code = "engine_error"
    status = 502


class EngineCrashedError(EngineError):
    """The engine's process ended."""

    code = "engine_crashed"


class NodeUnreachableError(EngineError):
    """A node did not answer."""

    code = "node_unreachable"


class DeadlineError(LabError):
    """The deadline passed."""

    code = "deadline_exceeded"
    status = 504


class ToolError(LabError):
    """A tool refused its input or failed."""

    code = "tool_error"
    status = 422
    type = "invalid_request_error"


class PlanError(LabError):
    """The model gave no usable plan."""

    code = "plan_error"
    status = 422


class StoreError(LabError):
    """The database refused."""

    code = "store_error"


class StoreUnavailableError(StoreError):
    """The database cannot be used now (full, locked, not reachable); a retry may succeed."""

    code = "store_unavailable"
    status = 503

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = 5.0
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after)


class ConfigurationError(LabError):
    """A setting has a value that is not allowed."""

    code = "configuration_error"
