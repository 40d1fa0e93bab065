"""How the machine and the models in memory do: measured beside the event loop, kept."""

from __future__ import annotations

from llmlab.models.manager import ModelManager
from llmlab.protocol.lab import DeviceReport
from llmlab.protocol.mesh import Load


class Vitals:
    """The latest measures; asking a graphics card can take seconds, reading these takes none.

    Args:
        manager: Knows the models in memory and the hardware.

    Attributes:
        devices: Processor and accelerators; empty before the first measure.
    """

    def __init__(self, manager: ModelManager) -> None:
        self.devices: list[DeviceReport] = []
        self._manager = manager
        self._memory_used = 0
        self._memory_budget = 0

    def measure(self) -> None:
        """Measure anew; blocks."""
        self.devices = self._manager.hardware.devices()
        memory = self._manager.get_memory_stats()
        self._memory_used = memory.used
        self._memory_budget = memory.budget

    def load(self) -> Load:
        """Return how busy this worker is now."""
        return Load(
            in_flight=sum(model.in_flight for model in self._manager.loaded()),
            memory_used=self._memory_used,
            memory_budget=self._memory_budget,
        )
