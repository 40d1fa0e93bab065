"""Chains in which a new tool gets what another one told."""

import random

import pytest
from training.data import plans, relays
from training.data.phrasing import Source
from training.data.sample import Step
from training.data.slots import SLOT
from training.data.words import Words


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_what_the_first_step_gives_goes_to_every_other(split: str) -> None:
    rng = random.Random(4)
    source, words = Source(rng, split), Words(rng)
    first = ("What time is it?", Step("datetime", {}, "Get the date and time."))
    for _ in range(300):
        taking = relays.receivers(source, words)
        request = relays.relayed(source, words, first, taking)
        tools = {one.tool.name: one for one in taking}
        assert request.steps[0] == first[1]
        assert len(request.steps) > 1
        assert not SLOT.search(request.message), request.message
        for step in request.steps[1:]:
            assert list(step.args.values()).count("{{1}}") == 1
            one = tools[step.tool or ""]
            told = set(step.args) - {option.name for option in one.options}
            assert told == set(one.tool.parameters["required"])


def test_a_prompt_has_a_tool_that_tells_and_one_that_takes() -> None:
    rng = random.Random(8)
    source, words = Source(rng), Words(rng)
    found = [plans.draw_bench(source, words) for _ in range(400)]
    relaying = [bench for bench in found if bench.receivers]
    assert relaying
    chains = 0
    for bench in relaying:
        names = {tool.name for tool in bench.tools}
        assert names >= {one.tool.name for one in bench.receivers}
        requests = [plans.draw_request(source, words, bench) for _ in range(10)]
        chains += sum(request.kind == "chain-new" for request in requests)
    assert chains > len(relaying)
