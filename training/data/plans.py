"""Planner samples: a list of tools, a request, and the plan for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from llmlab.workflows.chat.prompting import planner_messages
from llmlab.workflows.chat.tool import ToolDescription
from training.data import calculator, chained, lookup, planned, relays, talk
from training.data.chatter import around
from training.data.invented import Offered, draw_offer, framed_offers
from training.data.invented import draw as draw_call
from training.data.newtools import Offer, neighbours, offer
from training.data.phrasing import Source, polish
from training.data.planned import Scenario, scenarios
from training.data.repairs import repair_sample
from training.data.sample import Request, Sample, Step, plan_text
from training.data.toolbox import known, takes_zone
from training.data.words import Words

KNOWN = ("calculator", "web_search", "browser", "datetime")
PLAIN = Step(None)
Maker = Callable[[], Request]


@dataclass(frozen=True)
class Bench:
    """The tools of one prompt.

    Attributes:
        tools: All that it lists, in its order.
        offered: Those of them that are new here.
        scenarios: Plans of the corpus that these tools can play, with their offers.
        receivers: Tools that take what another told.
    """

    tools: Sequence[ToolDescription]
    offered: Sequence[Offered] = ()
    scenarios: Sequence[tuple[Scenario, dict[str, Offer]]] = ()
    receivers: Sequence[Offer] = ()

    @property
    def only_known(self) -> bool:
        """Whether there is none but the four tools that lab-mini knows."""
        return not (self.offered or self.scenarios or self.receivers)


def planner_batch(source: Source, words: Words, size: int) -> list[Sample]:
    """Samples that share one list of tools, so that their common prefix is computed once."""
    bench = draw_bench(source, words)
    return [planner_case(source, words, bench) for _ in range(size)]


def long_planner_batch(source: Source, words: Words, size: int) -> list[Sample]:
    """Samples over the long list of tools of a lab that has many."""
    taken: set[str] = set()
    offered = [one for _ in range(3) for one in _new_tools(source, words, taken, 10)]
    names = source.rng.sample(KNOWN, source.rng.choice((0, 1, 4)))
    unique = {one.tool.name: one for one in offered if one.tool.name not in names}
    listed = [one.tool for one in unique.values()]
    bench = Bench(_shuffled(source, names, listed), list(unique.values()))
    return [planner_case(source, words, bench) for _ in range(size)]


def planner_case(source: Source, words: Words, bench: Bench) -> Sample:
    """One request over these tools, alone or within a conversation, and its plan."""
    request = _in_session(source, words, draw_request(source, words, bench))
    if source.chance(0.03):
        return repair_sample(source, request, bench.tools)
    return planner_sample(request, bench.tools)


def planner_sample(request: Request, tools: Sequence[ToolDescription]) -> Sample:
    """The planner's own messages for a request, and its plan."""
    messages = planner_messages(request.message, tools, request.history)
    return Sample(f"plan-{request.kind}", messages, plan_text(request.steps))


def draw_bench(source: Source, words: Words) -> Bench:
    """Tools as a lab may have them, shuffled."""
    draw = source.rng.random()
    if draw < 0.17:
        return Bench([known(source.rng, "calculator")])
    if draw < 0.41:
        names = source.rng.sample(KNOWN, source.rng.choice((2, 3, 4, 4, 4)))
        return Bench([known(source.rng, name) for name in names])
    names = source.rng.sample(KNOWN, source.rng.choice((1, 2, 3, 4))) if source.chance(0.5) else []
    if draw < 0.55:
        return _played_bench(source, words, names)
    if draw < 0.59:
        return _relaying_bench(source, words, names)
    offered = _new_tools(source, words, set(names))
    return Bench(_shuffled(source, names, [one.tool for one in offered]), offered)


def draw_request(source: Source, words: Words, bench: Bench) -> Request:
    """A request that these tools, or words alone, can answer."""
    names = {tool.name for tool in bench.tools}
    makers: list[tuple[float, Maker]] = [
        (0.9, lambda: _plain(source, words, names)),
        (0.5, lambda: _beyond(source, words, names)),
    ]
    if bench.only_known:
        # Beside new tools, work that is "plain" elsewhere may be just what one of them does.
        makers.append((1.2, lambda: planned.single(source, words, "plain")))
    share = 13.0 / max(6, len(bench.offered))
    makers += [(share, partial(_new, source, words, one)) for one in bench.offered]
    if bench.offered:
        makers.append((1.5, lambda: _several_new(source, words, bench)))
    for scenario, offers in bench.scenarios:
        makers.append((4.0, partial(planned.played, source, words, scenario, offers)))
    if bench.receivers and (bench.offered or names & set(KNOWN)):
        makers.append((12.0, lambda: _relayed(source, words, bench)))
    makers += _known_makers(source, words, bench)
    (make,) = source.rng.choices([make for _, make in makers], [weight for weight, _ in makers])
    request = make()
    if source.chance(0.15 if request.kind == "none" else 0.22):
        return replace(request, message=around(source, words, request.message))
    return request


def _played_bench(source: Source, words: Words, names: Sequence[str]) -> Bench:
    """The tools of one or two scenarios, and some beside them."""
    chosen = source.rng.sample(scenarios(), source.rng.choice((1, 1, 2)))
    taken = {*names, *(need for scenario in chosen for need in scenario.needed if need in KNOWN)}
    known_names = sorted(taken)
    offers: dict[str, Offer] = {}
    for scenario in chosen:
        for first_name, archetype in scenario.tools.items():
            one = offer(source, words, archetype)
            while one.tool.name in taken:
                one = offer(source, words, archetype)
            taken.add(one.tool.name)
            offers[first_name] = one
    others = [draw_offer(source, words) for _ in range(source.rng.choice((0, 1, 2)))]
    others = [one for one in others if one.tool.name not in taken]
    listed = [one.tool for one in (*offers.values(), *others)]
    plays = [(scenario, {name: offers[name] for name in scenario.tools}) for scenario in chosen]
    return Bench(_shuffled(source, known_names, listed), others, plays)


def _relaying_bench(source: Source, words: Words, names: Sequence[str]) -> Bench:
    """Tools that tell something, and some that take it."""
    taking = relays.receivers(source, words)
    taken = {*names, *(one.tool.name for one in taking)}
    telling = [one for one in relays.givers(source, words) if one.tool.name not in taken]
    listed = [one.tool for one in (*telling, *taking)]
    return Bench(_shuffled(source, names, listed), telling, receivers=taking)


def _new_tools(source: Source, words: Words, taken: set[str], count: int = 0) -> list[Offered]:
    """New tools, `count` or a few, often of like domains."""
    count = count or source.rng.choice((1, 2, 2, 3, 3, 4, 5, 6, 8))
    found = _kin(source, words, count)
    found += [draw_offer(source, words) for _ in range(count - len(found))]
    unique: dict[str, Offered] = {}
    for one in found:
        if one.tool.name not in taken:
            unique.setdefault(one.tool.name, one)
    return list(unique.values())


def _kin(source: Source, words: Words, count: int) -> list[Offered]:
    """One tool, and often others that it is easily taken for."""
    if source.chance(0.16):
        return framed_offers(source, words, count - count // 3)
    first = draw_offer(source, words)
    if not isinstance(first, Offer) or source.chance(0.5):
        return [first]
    near = neighbours(source, first.archetype, count // 2)
    return [first, *(offer(source, words, archetype) for archetype in near)]


def _shuffled(
    source: Source, names: Sequence[str], new: Sequence[ToolDescription]
) -> list[ToolDescription]:
    tools = [known(source.rng, name) for name in names] + list(new)
    source.rng.shuffle(tools)
    return tools


def _new(source: Source, words: Words, offered: Offered) -> Request:
    """A request for a tool that is new in this prompt."""
    message, step = offered.request(source, words)
    return Request("unseen", message, (step,))


def _several_new(source: Source, words: Words, bench: Bench) -> Request:
    """Two things at once, at least one of them for a new tool."""
    one = source.rng.choice(bench.offered)
    first = _clause(source, words, one)
    allowed = [tool.name for tool in bench.tools if tool.name in KNOWN]
    # The same tool twice only with something to tell the calls apart.
    others = [other for other in bench.offered if other is not one or first[1].args]
    if allowed and (not others or source.chance(0.5)):
        second = chained.part(source, words, source.rng.choice(allowed))
    elif others:
        second = _clause(source, words, source.rng.choice(others))
    else:
        return _new(source, words, one)
    parts = [first, second] if source.chance(0.5) else [second, first]
    request = chained.together(source, parts, "several-new")
    return replace(request, message=polish(source, request.message))


def _clause(source: Source, words: Words, offered: Offered) -> tuple[str, Step]:
    """A request for a new tool, fit to stand beside another."""
    said, step, begins_with_value = offered.worded(source, words)
    return f"please: {said}" if begins_with_value else said, step


def _relayed(source: Source, words: Words, bench: Bench) -> Request:
    """What one tool tells, handed on to another."""
    allowed = [tool.name for tool in bench.tools if tool.name in KNOWN]
    if bench.offered and not (allowed and source.chance(0.4)):
        first = _clause(source, words, source.rng.choice(bench.offered))
    else:
        first = chained.part(source, words, source.rng.choice(allowed))
    return relays.relayed(source, words, first, bench.receivers)


def _in_session(source: Source, words: Words, request: Request) -> Request:
    """Puts turns before some requests that have nothing to do with them."""
    if request.history or not source.chance(0.12):
        return request
    history = talk.some_history(source, words)
    if source.chance(0.6):
        history = (*history, chained.answered_sum(source))[-source.rng.choice((1, 2, 3)) :]
    return replace(request, history=history)


def _known_makers(source: Source, words: Words, bench: Bench) -> list[tuple[float, Maker]]:
    names = {tool.name: tool for tool in bench.tools}
    makers: list[tuple[float, Maker]] = []
    if "calculator" in names:
        makers += [
            (14.0, lambda: _calculation(source)),
            (0.4, lambda: chained.follow_up(source)),
            (2.0, lambda: _told_chain(source)),
        ]
    if "web_search" in names:
        makers.append((1.2, lambda: _single("search", *lookup.search(source, words))))
        if bench.only_known:
            makers += [
                (8.0, lambda: planned.single(source, words, "search")),
                (0.3, lambda: _knowledge_search(source, words)),
            ]
    if "browser" in names:
        makers.append((0.7, lambda: _single("browser", *lookup.browse(source, words))))
        makers.append((1.8, lambda: planned.single(source, words, "browser")))
    if "datetime" in names:
        zone = takes_zone(names["datetime"])
        # Which zone a place lies in has to be known by heart.
        share = 2.0 if zone else 0.4
        makers.append((share, lambda: _single("datetime", *lookup.clock(source, zone))))
        makers.append((3.0, lambda: planned.single(source, words, "clock", zones=zone)))
    if set(names) & set(KNOWN):
        allowed = tuple(name for name in KNOWN if name in names)
        makers.append((1.4, lambda: chained.draw(source, words, allowed)))
        zones = "datetime" in names and takes_zone(names["datetime"])
        makers.append((3.4, lambda: _steps(source, words, allowed, zones=zones)))
    return makers


def _steps(source: Source, words: Words, allowed: Sequence[str], *, zones: bool) -> Request:
    """A request of several steps from the corpus, if one that is drawn fits these tools."""
    for _ in range(4):
        request = planned.chained(source, words, allowed, zones=zones)
        if request is not None:
            return request
    return chained.draw(source, words, allowed)


def _calculation(source: Source) -> Request:
    message, expression = calculator.request(source)
    return Request("calculator", message, (calculator.step(expression),))


def _told_chain(source: Source) -> Request:
    message, expressions = calculator.told_chain(source)
    return Request("chain", message, tuple(calculator.step(one) for one in expressions))


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
