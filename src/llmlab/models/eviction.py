"""Which models leave when another one needs room, and what to say when none can."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmlab.errors import OutOfMemoryError
from llmlab.models.hardware import GB
from llmlab.models.residents import Resident, State

RETRY_AFTER = 5.0


def choose_victims(residents: Iterable[Resident], missing: int) -> list[Resident] | None:
    """Return the idle models to unload so that ``missing`` bytes become free.

    The least recently used go first, and no more than needed. None when all idle ones together
    are not enough: then nobody leaves for nothing.
    """
    if missing <= 0:
        return []
    victims, freed = [], 0
    for resident in idle_by_age(residents):
        victims.append(resident)
        freed += resident.memory
        if freed >= missing:
            return victims
    return None


def idle_by_age(residents: Iterable[Resident]) -> list[Resident]:
    """Return the ones that could leave, the least recently used first."""
    idle = [
        resident
        for resident in residents
        if resident.state is State.READY and resident.in_flight == 0 and resident.memory > 0
    ]
    return sorted(idle, key=lambda resident: resident.touched)


def shortage(
    key: str,
    needed: int,
    budget: int,
    residents: Sequence[Resident],
    *,
    shared: int = 0,
    waited: float = 0.0,
) -> OutOfMemoryError:
    """Return the error that tells, with numbers, why a model cannot be loaded.

    Args:
        key: The model.
        needed: Bytes that it would take.
        budget: Bytes that all models may take.
        residents: Who holds memory now.
        shared: Bytes that other workers hold.
        waited: Seconds that were spent waiting for room.
    """
    words = [f"{key} needs about {_gb(needed)}, and models may take {_gb(budget)} here"]
    holders = [_holder(resident) for resident in residents if resident.memory > 0]
    if shared:
        holders.append(f"other workers ({_gb(shared)})")
    if holders:
        words.append(f", in use by {', '.join(holders)}")
    if waited >= 1:
        words.append(f"; no room came free in {waited:.0f} s")
    words.append(
        ". Use a smaller model or strategy `optimized`, lower LLMLAB_CONTEXT_LENGTH, "
        "or raise MAX_VRAM_USAGE."
    )
    # Retrying helps only when somebody can leave.
    return OutOfMemoryError("".join(words), retry_after=RETRY_AFTER if needed <= budget else None)


def _holder(resident: Resident) -> str:
    if resident.state is State.LOADING:
        doing = "loading"
    elif resident.in_flight:
        doing = f"answering {resident.in_flight}"
    else:
        doing = "idle"
    return f"{resident.record.key} ({_gb(resident.memory)}, {doing})"


def _gb(count: int) -> str:
    return f"{count / GB:.2f} GB"
