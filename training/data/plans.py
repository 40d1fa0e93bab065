"""Planner samples: a list of tools, a request, and the plan for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from llmlab.workflows.chat.prompting import ToolDescription, planner_messages
from training.data import calculator, chained, lookup, talk
from training.data.chatter import around
from training.data.invented import Call
from training.data.invented import draw as draw_call
from training.data.phrasing import Source
from training.data.sample import Request, Sample, Step, plan_text
from training.data.toolbox import known, takes_zone
from training.data.words import Words

KNOWN = ("calculator", "web_search", "browser", "datetime")
PLAIN = Step(None)
Maker = Callable[[], Request]


def planner_batch(source: Source, words: Words, size: int) -> list[Sample]:
    """Samples that share one list of tools, so that their common prefix is computed once."""
    tools, calls = draw_tools(source, words)
    requests = [draw_request(source, words, tools, calls) for _ in range(size)]
    return [planner_sample(_in_session(source, words, request), tools) for request in requests]


def planner_sample(request: Request, tools: Sequence[ToolDescription]) -> Sample:
    """The planner's own messages for a request, and its plan."""
    messages = planner_messages(request.message, tools, request.history)
    return Sample(f"plan-{request.kind}", messages, plan_text(request.steps))


def draw_tools(source: Source, words: Words) -> tuple[list[ToolDescription], list[Call]]:
    """Tools as a lab may have them, shuffled, and the calls of those that are not known."""
    draw = source.rng.random()
    names: Sequence[str] = ("calculator",)
    calls: list[Call] = []
    if draw >= 0.25:
        names = source.rng.sample(KNOWN, source.rng.choice((1, 2, 3, 3, 4, 4, 4)))
    if draw >= 0.5:
        calls = _new_calls(source, words, set(names))
        names = names if source.chance(0.7) else ()
    tools = [known(source.rng, name) for name in names] + [call.tool for call in calls]
    source.rng.shuffle(tools)
    return tools, calls


def draw_request(
    source: Source, words: Words, tools: Sequence[ToolDescription], calls: Sequence[Call]
) -> Request:
    """A request that these tools, or words alone, can answer."""
    names = {tool.name for tool in tools}
    makers: list[tuple[float, Maker]] = [
        (1.6, lambda: _plain(source, words, names)),
        (0.7, lambda: _beyond(source, words, names)),
    ]
    makers += [(2.2, partial(_new, call)) for call in calls]
    makers += _known_makers(source, words, tools)
    weights = [weight for weight, _ in makers]
    (make,) = source.rng.choices([maker for _, maker in makers], weights)
    request = make()
    if source.chance(0.15 if request.kind == "none" else 0.3):
        return replace(request, message=around(source, words, request.message))
    return request


def _new(call: Call) -> Request:
    """A request for a tool that is new in this prompt."""
    return Request("unseen", call.message, (call.step,))


def _in_session(source: Source, words: Words, request: Request) -> Request:
    """Puts turns before some requests that have nothing to do with them."""
    if request.history or not source.chance(0.12):
        return request
    history = talk.some_history(source, words)
    if source.chance(0.6):
        history = (*history, chained.answered_sum(source))[-source.rng.choice((1, 2, 3)) :]
    return replace(request, history=history)


def _known_makers(
    source: Source, words: Words, tools: Sequence[ToolDescription]
) -> list[tuple[float, Maker]]:
    names = {tool.name: tool for tool in tools}
    makers: list[tuple[float, Maker]] = []
    if "calculator" in names:
        makers += [
            (4.5, lambda: _calculation(source)),
            (0.4, lambda: chained.follow_up(source)),
        ]
    if "web_search" in names:
        makers += [
            (2.0, lambda: _single("search", *lookup.search(source, words))),
            (0.6, lambda: _knowledge_search(source, words)),
        ]
    if "browser" in names:
        makers.append((2.2, lambda: _single("browser", *lookup.browse(source, words))))
    if "datetime" in names:
        zone = takes_zone(names["datetime"])
        makers.append((1.0, lambda: _single("datetime", *lookup.clock(source, zone))))
    if set(names) & set(KNOWN):
        allowed = tuple(name for name in KNOWN if name in names)
        makers.append((3.4, lambda: chained.draw(source, words, allowed)))
    return makers


def _new_calls(source: Source, words: Words, taken: set[str]) -> list[Call]:
    """One or two tools to be called, each once, beside some that only stand there."""
    calls: list[Call] = []
    for _ in range(source.rng.choice((1, 1, 2, 3, 4, 5))):
        call = draw_call(source, words)
        if call.tool.name not in taken:
            taken.add(call.tool.name)
            calls.append(call)
    return calls


def _calculation(source: Source) -> Request:
    message, expression = calculator.request(source)
    return Request("calculator", message, (calculator.step(expression),))


def _single(kind: str, message: str, step: Step) -> Request:
    return Request(kind, message, (step,))


def _knowledge_search(source: Source, words: Words) -> Request:
    question = lookup.knowledge(source, words)
    query = question.removesuffix("?")
    step = Step("web_search", {"query": query}, lookup.SEARCH)
    return Request("search", question, (step,))


def _plain(source: Source, words: Words, names: set[str]) -> Request:
    if "web_search" not in names and source.chance(0.2):
        return Request("none", lookup.knowledge(source, words), (PLAIN,))
    exchange = talk.draw(source, words)
    return Request("none", exchange.message, (PLAIN,), exchange.history)


def _beyond(source: Source, words: Words, names: set[str]) -> Request:
    """A request for something that no tool in the list can do."""
    choices: list[Callable[[], str]] = [lambda: draw_call(source, words).message]
    if "calculator" not in names:
        choices.append(lambda: calculator.request(source)[0])
    if "web_search" not in names:
        choices.append(lambda: lookup.search(source, words)[0])
    if "browser" not in names:
        choices.append(lambda: lookup.browse(source, words)[0])
    if "datetime" not in names:
        choices.append(lambda: lookup.clock(source, with_zone=True)[0])
    return Request("none", source.rng.choice(choices)(), (PLAIN,))
