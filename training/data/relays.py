"""Chains over new tools: one gives something, another gets it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from training.data import chained, frames
from training.data.corpus import blocks
from training.data.newtools import Archetype, Offer, offer, read_archetype, use
from training.data.phrasing import Source, Split, is_held_out_kind, polish
from training.data.sample import Request, Step
from training.data.words import Words

_RESULT = "result"


def givers(source: Source, words: Words) -> list[Offer]:
    """A few tools that tell something."""
    count = source.rng.choice((1, 1, 2, 3))
    kinds = frames.related(source, count, frames.TELLING_VERBS)
    return [offer(source, words, kind) for kind in kinds]


def receivers(source: Source, words: Words) -> list[Offer]:
    """One or two tools that take what another told."""
    count = source.rng.choice((1, 1, 2))
    chosen = source.rng.sample(_receivers(source.split), count)
    return [offer(source, words, archetype) for archetype in chosen]


def relayed(
    source: Source, words: Words, first: tuple[str, Step], taking: Sequence[Offer]
) -> Request:
    """A request to one tool, whose result goes to one or all of these others."""
    count = len(taking) if source.chance(0.25) else 1
    handed = [_handed(source, words, one) for one in source.rng.sample(taking, count)]
    text, steps = first[0], [first[1]]
    for clause, step in handed:
        text = chained.joined(source, [text, clause])
        steps.append(step)
    return Request("chain-new", polish(source, text), tuple(steps))


def _handed(source: Source, words: Words, taking: Offer) -> tuple[str, Step]:
    """A clause that hands the first step's result on, and the step that does it."""
    said, step, _ = taking.worded(source, words)
    (result,) = (a.name for a in taking.archetype.arguments if a.kind == _RESULT)
    args = {**step.args, taking.renamed[result]: "{{1}}"}
    ordered = {name: args[name] for name in taking.renamed.values() if name in args}
    return said, use(taking.tool.name, ordered | args)


@cache
def _receivers(split: Split) -> Sequence[Archetype]:
    """The receiving tools of a split.

    Raises:
        ValueError: A block is not of the form that the corpus has.
    """
    everything = [read_archetype(block, block.head) for block in blocks("relays/*.txt")]
    for one in everything:
        if sum(argument.kind == _RESULT for argument in one.arguments) != 1:
            raise ValueError(f"{one.names[0]} does not take one result")
    held_out = split == "held_out"
    return [one for one in everything if is_held_out_kind(one.names[0]) == held_out]
