"""Reads request bodies: JSON in strict form, whatever the content type says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.requests import Request

from llmlab.errors import InvalidRequestError
from llmlab.protocol.openai import invalid, parse_json

BodyT = TypeVar("BodyT", bound=BaseModel)

_SCHEMAS = "#/components/schemas/"


def read_as(kind: type[BodyT]) -> Any:
    """Return the FastAPI dependency that reads a body of the Lab API."""

    async def read(request: Request) -> BodyT:
        content = parse_json(await request.body())
        try:
            return kind.model_validate(content)
        except ValidationError as error:
            raise invalid(error) from error
        except RecursionError as error:
            raise InvalidRequestError("The request body is nested too deeply.") from error

    return Depends(read)


def documented(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI entry of a body that is read by hand; see :func:`add_schemas`."""
    schema = {"$ref": f"{_SCHEMAS}{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def add_schemas(app: FastAPI, kinds: Sequence[type[BaseModel]]) -> None:
    """Add the schemas of bodies that are read by hand to an application's OpenAPI document."""
    generate = app.openapi

    def with_schemas() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, definitions = models_json_schema(
                [(kind, "validation") for kind in kinds], ref_template=_SCHEMAS + "{model}"
            )
            known = document.setdefault("components", {}).setdefault("schemas", {})
            known |= definitions.get("$defs", {})
        return generate()

    app.openapi = with_schemas  # type: ignore[method-assign] # FastAPI's documented way
