"""Parts of OpenAI's bodies that are passed on as they are, checked in their outline.

Engines answer a malformed tool or format in ways of their own, some of them as a failure of the
server; here the mistake gets its name.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator

MOST_SCHEMA_BYTES = 128_000
MOST_PROPERTIES = 500
MOST_TOOLS = 128
MOST_PROPERTIES_OF_TOOLS = 2000

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_CHOICES = ("auto", "none", "required")
_FORMATS = ("text", "json_object", "json_schema")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        raise ValueError('a tool needs "type": "function" and a "function" object')
    _check_name(function.get("name"), "a function")
    if not isinstance(function.get("description"), str | None):
        raise ValueError("the description of a function must be text")
    parameters = function.get("parameters")
    if not isinstance(parameters, dict | None):
        raise ValueError("the parameters of a function must be a JSON schema object")
    if parameters is not None:
        _check_size(parameters)
    return tool


def _tools(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(tools) > MOST_TOOLS:
        raise ValueError(f"a request has at most {MOST_TOOLS} tools")
    if sum(_properties(tool) for tool in tools) > MOST_PROPERTIES_OF_TOOLS:
        raise ValueError(f"all tools together have at most {MOST_PROPERTIES_OF_TOOLS} parameters")
    return tools


def _tool_choice(choice: str | dict[str, Any]) -> str | dict[str, Any]:
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise ValueError(f"tool_choice must be one of {', '.join(_CHOICES)}, or a function")
        return choice
    function = choice.get("function")
    if choice.get("type") != "function" or not isinstance(function, dict):
        raise ValueError('tool_choice needs "type": "function" and a "function" object')
    _check_name(function.get("name"), "the chosen function")
    return choice


def _response_format(format_: dict[str, Any]) -> dict[str, Any]:
    kind = format_.get("type")
    if kind not in _FORMATS:
        raise ValueError(f"the type of a format must be one of {', '.join(_FORMATS)}")
    if kind == "json_schema":
        inner = format_.get("json_schema")
        if not isinstance(inner, dict) or not isinstance(inner.get("schema"), dict):
            raise ValueError('the format json_schema needs {"json_schema": {"schema": {...}}}')
        _check_size(inner["schema"])
    return format_


def _check_size(schema: dict[str, Any]) -> None:
    """Refuse a schema that an engine would turn into a grammar for minutes.

    llama.cpp's time grows with the cube of the properties that may be left out, and all requests
    to the model wait for it.
    """
    try:
        size = len(orjson.dumps(schema))
    except orjson.JSONEncodeError as error:
        raise ValueError("a JSON schema is nested too deeply") from error
    if size > MOST_SCHEMA_BYTES:
        raise ValueError(f"a JSON schema has at most {MOST_SCHEMA_BYTES // 1000} KB")
    if _properties(schema) > MOST_PROPERTIES:
        raise ValueError(f"a JSON schema has at most {MOST_PROPERTIES} properties")


def _properties(schema: dict[str, Any]) -> int:
    """Count the properties in all objects of a schema; without recursion, however deep."""
    count = 0
    waiting: list[Any] = [schema]
    while waiting:
        match waiting.pop():
            case dict() as found:
                inner = found.get("properties")
                count += len(inner) if isinstance(inner, dict) else 0
                waiting += found.values()
            case list() as found:
                waiting += found
    return count


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if not isinstance(kind, str):
        raise ValueError('a content part needs a "type"')
    if kind == "text" and not isinstance(part.get("text"), str):
        raise ValueError('a content part of the type text needs "text"')
    return part


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{what} needs a name of letters, digits and _ . : / -, up to 128")


ToolDefinition = Annotated[dict[str, Any], AfterValidator(_tool)]
ToolDefinitions = Annotated[list[ToolDefinition], AfterValidator(_tools)]
ToolChoice = Annotated[str | dict[str, Any], AfterValidator(_tool_choice)]
ResponseFormat = Annotated[dict[str, Any], AfterValidator(_response_format)]
ContentPart = Annotated[dict[str, Any], AfterValidator(_part)]
