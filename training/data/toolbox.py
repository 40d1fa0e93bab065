"""The tools that prompts list: the known ones, familiar archetypes and invented ones."""

from __future__ import annotations

import random
from typing import Any

from llmlab.workflows.chat.tool import ToolDescription

_DESCRIPTIONS = {
    "calculator": (
        "Evaluates an arithmetic expression.",
        "Evaluate an arithmetic expression.",
        "Calculates arithmetic: + - * / ** % and brackets.",
        "Does arithmetic exactly: powers, brackets, functions such as sqrt.",
        "A calculator for arithmetic expressions.",
        "Computes the value of a mathematical expression.",
        "Evaluates arithmetic with powers and functions, exactly and safely.",
        "Exact arithmetic: + - * / // % **, parentheses and functions like sqrt(2) or sin(1).",
    ),
    "web_search": (
        "Searches the web.",
        "Search the web and return results.",
        "Finds pages on the web for a query.",
        "Web search: titles, addresses and snippets for a query.",
        "Looks something up on the internet.",
    ),
    "browser": (
        "Opens a web page and returns its text.",
        "Open a URL and read the page.",
        "Fetches a web page by its address.",
        "Reads the page at a URL.",
        "A browser: loads a page and gives its text.",
    ),
    "datetime": (
        "Gives the current date and time.",
        "Current date and time.",
        "Tells the date, the time and the weekday.",
        "The current date and time, in a time zone if one is given.",
    ),
}
_ARGUMENTS = {"calculator": "expression", "web_search": "query", "browser": "url"}


def known(rng: random.Random, name: str) -> ToolDescription:
    """One of the four tools that lab-mini knows, in one of its descriptions."""
    description = rng.choice(_DESCRIPTIONS[name])
    if name == "datetime":
        zone = {"timezone": {"type": "string"}} if rng.random() < 0.6 else {}
        return ToolDescription(name, description, _schema(zone, []))
    argument = _ARGUMENTS[name]
    return ToolDescription(name, description, _schema({argument: {"type": "string"}}, [argument]))


def takes_zone(tool: ToolDescription) -> bool:
    """True for a clock that can be asked about a time zone."""
    return "timezone" in tool.parameters["properties"]


def described(name: str, description: str, arguments: dict[str, str]) -> ToolDescription:
    """A tool whose arguments are given as name and JSON type, all required."""
    properties = {argument: {"type": kind} for argument, kind in arguments.items()}
    return ToolDescription(name, description, _schema(properties, list(arguments)))


def _schema(properties: dict[str, dict[str, str]], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}
