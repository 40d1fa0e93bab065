"""``/docs``: the API's reference as one page of our own.

FastAPI's page loads its scripts from the network; a lab at home has none, and a foreign script
has no place next to the session cookie. This one is written here and runs no script at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2rem; text-transform: capitalize; }
details { border-top: 1px solid #8884; padding: .4rem 0; }
summary { cursor: pointer; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { background: #8881; padding: .8rem; overflow-x: auto; }
b { display: inline-block; min-width: 4.5rem; }
"""


def add_reference(api: FastAPI) -> None:
    """Add the page; the application is made with ``docs_url=None``."""

    async def reference(request: Request) -> HTMLResponse:
        del request
        return HTMLResponse(page(api.openapi()), headers=_HEADERS)

    api.add_route("/docs", reference, include_in_schema=False)


def page(document: dict[str, Any]) -> str:
    """Return an OpenAPI document as HTML."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    groups: dict[str, list[str]] = {}
    for path, method, route in _routes(document):
        group = str((route.get("tags") or ["other"])[0])
        groups.setdefault(group, []).append(_route(document, path, method, route))
    sections = "".join(
        f"<h2>{escape(group)}</h2>{''.join(routes)}" for group, routes in groups.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        "<p>Send <code>Authorization: Bearer KEY</code>; <code>llmlab key</code> prints the key."
        ' For programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{sections}</body></html>"
    )


def _routes(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            yield path, method.upper(), route


def _route(document: dict[str, Any], path: str, method: str, route: dict[str, Any]) -> str:
    words = str(route.get("description") or "")
    names = [f"{each['name']} ({each['in']})" for each in route.get("parameters", ())]
    parts = [
        f"<p>{escape(words)}</p>" if words else "",
        f"<p>Parameters: {escape(', '.join(names))}</p>" if names else "",
        _body("Body", document, route.get("requestBody")),
        _body("Answer", document, route.get("responses", {}).get("200")),
    ]
    return (
        f"<details><summary><b>{method}</b> <code>{escape(path)}</code> "
        f"{escape(str(route.get('summary') or ''))}</summary>{''.join(parts)}</details>"
    )


def _body(label: str, document: dict[str, Any], part: dict[str, Any] | None) -> str:
    schema = ((part or {}).get("content") or {}).get("application/json", {}).get("schema")
    if not schema:
        return ""
    shown = escape(json.dumps(_named(document, schema), indent=2))
    return f"<p>{label}:</p><pre>{shown}</pre>"


def _named(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference names; those within it stay names."""
    name = str(schema.get("$ref", "")).removeprefix("#/components/schemas/")
    found: dict[str, Any] = document.get("components", {}).get("schemas", {}).get(name, schema)
    return found
