"""Rows of runs and steps: dataclasses on this side, columns on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmlab.types import Usage

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from llmlab.store.runs import Run
    from llmlab.store.steps import Step

_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens")


def row_of(item: Run | Step) -> dict[str, Any]:
    """Return the values of an item's row; its usage becomes three columns."""
    # Not `asdict`, which copies deeply: single calls come by the thousand in a second.
    values = {name: getattr(item, name) for name in item.__slots__}
    usage = values.pop("usage")
    for name in _COUNTS:
        values[name] = getattr(usage, name)
    return values


def values_of(row: RowMapping) -> dict[str, Any]:
    """Return what an item is made from."""
    values = dict(row)
    values["usage"] = Usage(*(values.pop(name) for name in _COUNTS))
    return values
