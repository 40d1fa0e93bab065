"""LLM Lab: the machines you own, working as one private AI lab.

The parts work from a script too. This loads a model and asks it, without a server::

    import asyncio
    from llmlab import InferenceBody, ModelCatalog, ModelExecutor, ModelManager, Settings


    async def main() -> None:
        settings = Settings.from_dict({"home": "~/.llmlab"})
        manager = ModelManager(ModelCatalog(settings.home_folder), settings)
        executor = ModelExecutor(manager, settings)
        try:
            await executor.load("lab-mini", "optimized")
            print((await executor.execute(InferenceBody(prompt="Hello!"))).output)
        finally:
            await executor.aclose()


    asyncio.run(main())
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmlab.cache.manager import ResponseCache
    from llmlab.client.client import LabClient
    from llmlab.coordinator import Coordinator
    from llmlab.models.catalog import ModelCatalog
    from llmlab.models.executor import ModelExecutor
    from llmlab.models.manager import ModelManager
    from llmlab.protocol.lab import InferenceBody
    from llmlab.settings import Settings
    from llmlab.tools.base import Tool
    from llmlab.tools.builtin.calculator import CalculatorTool
    from llmlab.tools.registry import ToolRegistry
    from llmlab.workflows.chat.manager import WorkflowManager

__version__ = "0.1.0"

__all__ = [
    "CalculatorTool",
    "Coordinator",
    "InferenceBody",
    "LabClient",
    "ModelCatalog",
    "ModelExecutor",
    "ModelManager",
    "ResponseCache",
    "Settings",
    "Tool",
    "ToolRegistry",
    "WorkflowManager",
]

_HOMES = {
    "CalculatorTool": "llmlab.tools.builtin.calculator",
    "Coordinator": "llmlab.coordinator",
    "InferenceBody": "llmlab.protocol.lab",
    "LabClient": "llmlab.client.client",
    "ModelCatalog": "llmlab.models.catalog",
    "ModelExecutor": "llmlab.models.executor",
    "ModelManager": "llmlab.models.manager",
    "ResponseCache": "llmlab.cache.manager",
    "Settings": "llmlab.settings",
    "Tool": "llmlab.tools.base",
    "ToolRegistry": "llmlab.tools.registry",
    "WorkflowManager": "llmlab.workflows.chat.manager",
}


def __getattr__(name: str) -> Any:
    """Import a public name's home when it is used first: nothing heavy at import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llmlab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
