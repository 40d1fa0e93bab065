from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.models.fakes import Clock

from llmlab.models import hardware
from llmlab.models.hardware import GB, MB, Hardware
from llmlab.settings import Settings

NVIDIA = "NVIDIA H200, 143771, 100000, 37\nNVIDIA Thor, [N/A], [N/A], [N/A]\nodd line\n"
AMD = """{"card0": {"Card Series": "Radeon RX 7900 XTX", "GPU use (%)": "5",
 "VRAM Total Memory (B)": "25753026560", "VRAM Total Used Memory (B)": "27267072"},
 "system": {"Driver version": "6.7"}}"""


class Tools:
    """Answers in the place of nvidia-smi and its like."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def __call__(self, command: Sequence[str]) -> str | None:
        text = " ".join(command)
        self.calls.append(text)
        return next((answer for word, answer in self.answers.items() if word in text), None)


def test_the_processor_is_a_device() -> None:
    device = Hardware(run=Tools()).devices()[0]
    assert device.kind in ("cpu", "apple")
    assert device.name
    assert 0 < device.memory_free <= device.memory_total
    assert device.load is not None
    assert 0 <= device.load <= 1


def test_what_this_machine_really_has() -> None:
    assert hardware.devices()[0].memory_total > 0
    assert hardware.memory_budget(Settings()) >= 0


def test_nvidia_cards() -> None:
    card, unified = Hardware(run=Tools(gpu=NVIDIA)).accelerators()
    assert (card.kind, card.name) == ("nvidia", "NVIDIA H200")
    assert (card.memory_total, card.memory_free) == (143771 * MB, 100000 * MB)
    assert card.load == pytest.approx(0.37)
    assert (unified.memory_total, unified.load) == (0, None)


def test_amd_cards() -> None:
    (card,) = Hardware(run=Tools(vram=AMD)).accelerators()
    assert (card.kind, card.name) == ("amd", "Radeon RX 7900 XTX")
    assert card.memory_free == 25753026560 - 27267072
    assert card.load == pytest.approx(0.05)


@pytest.mark.parametrize("output", ["", "{", "[]", '{"card0": 1}', '{"card0": {}}', "a,b,c,d"])
def test_tools_that_answer_nonsense(output: str) -> None:
    for card in Hardware(run=lambda _: output).accelerators():
        assert card.memory_total == 0


def test_answers_are_kept_for_a_moment() -> None:
    clock, tools = Clock(), Tools(gpu=NVIDIA)
    found = Hardware(run=tools, clock=clock)
    found.accelerators()
    found.accelerators()
    assert len(tools.calls) == 2
    clock.now += 60
    found.accelerators()
    assert len(tools.calls) == 4


def test_a_set_budget_counts() -> None:
    settings = Settings.from_dict({"max_vram_usage": 1.5})
    assert Hardware(run=Tools()).memory_budget(settings, in_use=123) == int(1.5 * GB)


def test_without_a_set_budget_it_is_what_is_free() -> None:
    found = Hardware(run=Tools())
    assert found.free_memory() < hardware.available_memory()
    budget = found.memory_budget(Settings(), in_use=10 * GB)
    assert budget >= 10 * GB
    assert hardware.reserved_memory() <= GB


def test_memory_of_cards_counts_only_if_the_engine_uses_them() -> None:
    idle = Hardware(run=Tools(gpu=NVIDIA, xllamacpp="[0]"))
    assert not idle.offloads()
    assert idle.accelerator_memory(1) == 0
    used = Hardware(
        run=Tools(**{"compute-apps": "7, 300\n7, 200\n8, [N/A]\n", "gpu": NVIDIA, "xllama": "[1]"})
    )
    assert used.offloads()
    assert used.free_memory() == 100000 * MB
    assert used.accelerator_memory(7) == 500 * MB
    assert used.accelerator_memory(9) == 0


def test_without_a_card_the_engine_is_not_asked() -> None:
    tools = Tools()
    assert not Hardware(run=tools).offloads()
    assert not any("xllamacpp" in call for call in tools.calls)


@pytest.mark.parametrize("output", ["oops", "1", "[[]]", ""])
def test_an_engine_that_does_not_tell_its_devices_uses_none(output: str) -> None:
    assert not Hardware(run=Tools(gpu=NVIDIA, xllama=output)).offloads()


def test_tools_that_are_missing_or_fail() -> None:
    assert hardware.run_tool(("no-such-tool-here",)) is None
    assert hardware.run_tool(("false",)) is None
    assert hardware.run_tool(("echo", "hello")) == "hello\n"


def test_a_tool_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "TOOL_DEADLINE", 0.05)
    assert hardware.run_tool(("sleep", "10")) is None
