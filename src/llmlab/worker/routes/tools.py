"""``/tools``: what they are, and running one."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter

from llmlab.protocol.lab import ToolCallBody, ToolResult
from llmlab.types import JsonObject, JsonValue
from llmlab.worker.bodies import documented, read_as
from llmlab.worker.service import Worker


def router(worker: Worker) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["tools"])
    registry = worker.tools

    @routes.get("/tools")
    async def tools() -> JsonObject:
        """List the tools with their schemas and how they were used."""
        stats = registry.stats()
        listed: list[JsonValue] = [
            {
                "name": tool.name,
                "description": tool.description,
                "capabilities": cast("list[JsonValue]", sorted(tool.capabilities)),
                "input_schema": tool.input_schema,
                "output_schema": tool.output_schema,
                "calls": stats[tool.name].calls,
                "errors": stats[tool.name].errors,
                "seconds": round(stats[tool.name].seconds, 6),
            }
            for tool in registry.tools()
        ]
        return {"tools": listed}

    @routes.post("/tools/{name}", openapi_extra=documented(ToolCallBody))
    async def run(name: str, body: ToolCallBody = read_as(ToolCallBody)) -> ToolResult:
        """Run a tool."""
        return await registry.run(name, body.arguments)

    return routes
