"""Shipped fakes for tests and benchmarks; nothing else in the package imports them."""

from llmlab.testing.engine import ScriptedEngine
from llmlab.testing.script import Fault, Reply, Script
from llmlab.testing.server import ScriptedServer, SeenRequest

__all__ = ["Fault", "Reply", "Script", "ScriptedEngine", "ScriptedServer", "SeenRequest"]
