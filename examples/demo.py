"""Starts a lab, asks it a few questions, shows where each answer came from, and stops it.

``make demo`` runs this. The answers come from lab-mini, the built-in demo model: it shows how the
lab works and is no source of knowledge.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from llmlab.client import LabClient
from llmlab.errors import LabError
from llmlab.protocol.lab import ChatBody, ChatResult
from llmlab.testing.process import LabProcess

QUESTIONS = (
    "Hello!",
    "What is 25 * 67?",
    "What is 25 * 67?",
    "What is the square root of 144?",
    "What is LLM Lab?",
)

console = Console(highlight=False)


def main() -> int:
    """Run the demo and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="llmlab-demo-") as home:
        lab = LabProcess(Path(home) / "home")
        try:
            with console.status("Starting a lab of its own"):
                lab.start()
            console.print(f"[bold green]LLM Lab[/] at {lab.url}, ready in {lab.started_in:.1f} s")
            console.print("[dim]The answers come from lab-mini, a demo model.[/]\n")
            with lab.client() as client:
                for question in QUESTIONS:
                    ask(client, question)
        except LabError as error:
            console.print(f"[bold red]Error:[/] {Text(error.message).markup}")
            return 1
        except KeyboardInterrupt:
            console.print("[dim]Interrupted; the lab is stopped.[/]")
            return 130
        finally:
            lab.stop()
    console.print("[dim]The lab has stopped, and nothing of it is left.[/]")
    return 0


def ask(client: LabClient, question: str) -> None:
    """Ask one question and show the answer and its origin."""
    console.print(Text(f"> {question}", style="bold cyan"))
    began = time.perf_counter()
    with console.status("Thinking"):
        result = client.chat(ChatBody(message=question))
    seconds = time.perf_counter() - began
    console.print(Text(result.answer))
    console.print(Text(f"  {origin(result)} · {seconds * 1000:.0f} ms\n", style="dim"))


def origin(result: ChatResult) -> str:
    """Say which tools and nodes did the work, and what came from the cache."""
    tools = {f"{step.tool} on {step.node}": None for step in result.steps if step.tool}
    nodes = {step.node: None for step in result.steps if step.node and not step.tool}
    cached = sum(step.cache_hit for step in result.steps)
    asked = sum(not step.tool for step in result.steps)
    return " · ".join(
        [
            *(f"tool {tool}" for tool in tools),
            f"node {', '.join(nodes) or '-'}",
            f"cache {cached} of {asked} steps",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
