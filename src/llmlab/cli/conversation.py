"""A question and its answer on the screen, and many of them in a row."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmlab.cli.output import complain, duration, note, safe, say, working
from llmlab.errors import EngineError, LabError
from llmlab.events import (
    Event,
    PlanMade,
    PlannedStep,
    RunDone,
    RunFailed,
    RunStarted,
    StepFinished,
    StepRecord,
    TokenMade,
)
from llmlab.types import JsonValue

if TYPE_CHECKING:
    from llmlab.client.client import LabClient
    from llmlab.protocol.lab import ChatBody

_HELP = "/new starts afresh, /model NAME changes the model, /quit or Ctrl-D leaves."


def ask(client: LabClient, body: ChatBody) -> str | None:
    """Ask one question and show the answer while it is made.

    In a pipe the answer alone is printed; a terminal also shows the plan and who did what.

    Returns:
        The session to go on with.

    Raises:
        LabError: The lab refused, or the run failed.
    """
    if body.dry_run:
        show_plan(client.chat(body).plan)
        return body.session_id
    screen = _Screen(people=sys.stdout.isatty())
    with client.chat_stream(body) as events:
        for event in _spinning(events):
            screen.show(event)
    return screen.finish() or body.session_id


def show_plan(plan: list[PlannedStep]) -> None:
    """Print a plan, one numbered line a step."""
    for number, step in enumerate(plan, 1):
        say(f"{number}. {describe(step)}")


def describe(step: PlannedStep) -> str:
    """Return a planned step in one line."""
    if step.tool is None:
        return step.instruction
    arguments = ", ".join(f"{name}={value!r}" for name, value in step.args.items())
    return f"{step.tool}({arguments})"


def _spinning(events: Iterator[Event]) -> Iterator[Event]:
    """Show that the lab thinks until the plan is there."""
    with working("Thinking"):
        first = [next(events, None)]
        while isinstance(first[-1], RunStarted):
            first.append(next(events, None))
    yield from (event for event in first if event is not None)
    yield from events


class _Screen:
    """Shows the events of one run as they come.

    Args:
        people: Whether a terminal shows more than the answer.
    """

    def __init__(self, *, people: bool) -> None:
        self._people = people
        self._session: str | None = None
        self._shown = ""
        self._done: RunDone | None = None

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunStarted):
            self._session = event.session_id
        elif isinstance(event, PlanMade):
            self._plan(event.plan)
        elif isinstance(event, StepFinished):
            self._step(event.step)
        elif isinstance(event, TokenMade):
            self._shown += event.text
            sys.stdout.write(safe(event.text))
            sys.stdout.flush()
        elif isinstance(event, RunDone):
            self._done = event
        elif isinstance(event, RunFailed):
            self._break_line()
            raise _failure(event)

    def finish(self) -> str | None:
        """Show where the answer came from; return the session."""
        done = self._done
        if done is None:
            self._break_line()
            raise EngineError("The lab ended the answer before it was complete. Ask again.")
        # An answer that was not streamed, or that was put right at the end.
        if not self._shown:
            sys.stdout.write(safe(done.answer))
        say()
        if self._people:
            say(_origin(done), "dim")
        return done.session_id or self._session

    def _break_line(self) -> None:
        if self._shown:
            say()

    def _plan(self, plan: list[PlannedStep]) -> None:
        if self._people and any(step.tool for step in plan):
            for number, step in enumerate(plan, 1):
                say(f"{number}. {describe(step)}", "dim")

    def _step(self, step: StepRecord) -> None:
        if not self._people or step.kind != "tool":
            return
        outcome = f"failed: {step.error}" if step.error else _brief(step.output)
        say(f"   {step.tool} → {outcome[:200]}", "dim")


def _brief(output: JsonValue) -> str:
    """Return a tool's output in one line; the value alone where it is the only one."""
    if isinstance(output, dict) and len(output) == 1:
        (output,) = output.values()
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def _failure(event: RunFailed) -> LabError:
    from llmlab.protocol.errors import decode_error

    body = {"error": {"message": event.message, "code": event.code}}
    return decode_error(500, json.dumps(body).encode())


def _origin(done: RunDone) -> str:
    """Say which tools and nodes made the answer, and what came from the cache."""
    tools = [step.tool for step in done.steps if step.tool]
    nodes = [step.node for step in done.steps if step.node and step.kind != "tool"]
    cached = sum(step.cache_hit for step in done.steps)
    parts = [
        *([f"tool {', '.join(dict.fromkeys(tools))}"] if tools else []),
        *([f"node {', '.join(dict.fromkeys(nodes))}"] if nodes else []),
        *([f"{cached} of {len(done.steps)} steps from the cache"] if cached else []),
        f"{done.usage.total_tokens} tokens",
        duration(sum(step.seconds for step in done.steps)),
        done.run_id,
    ]
    return " · ".join(parts)


def converse(client: LabClient, body: ChatBody) -> None:
    """Talk until the user leaves; Ctrl-C stops an answer, at the prompt it leaves."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its line editing and history
    note(f"LLM Lab at {client.url}.{_demo_note(client)}\n{_HELP}")
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            say()
            return
        if line in ("/quit", "/exit"):
            return
        body = _command(line, body) if line.startswith("/") else _turn(client, body, line)


def _demo_note(client: LabClient) -> str:
    """Say so when every answer comes from a demo model."""
    models = client.models().models
    if not models or not all(model.demo for model in models):
        return ""
    names = " and ".join(model.id for model in models)
    return f" Only {names} is there, a demo model: don't rely on its answers."


def _command(line: str, body: ChatBody) -> ChatBody:
    name, _, argument = line.partition(" ")
    if name == "/new":
        note("A new conversation.")
        return body.model_copy(update={"session_id": None})
    if name == "/model" and argument.strip():
        return body.model_copy(update={"model": argument.strip()})
    note(_HELP)
    return body


def _turn(client: LabClient, body: ChatBody, line: str) -> ChatBody:
    if not line:
        return body
    try:
        session = ask(client, body.model_copy(update={"message": line}))
    except LabError as error:
        complain(error.message)
        return body
    except KeyboardInterrupt:
        say("\nStopped.", "dim")
        return body
    return body.model_copy(update={"session_id": session})
