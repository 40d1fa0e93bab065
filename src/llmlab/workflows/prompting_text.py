"""What the workflows' prompts share: messages, quoted turns, listed results, JSON found in text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

JsonDict = dict[str, Any]
ChatMessages = list[dict[str, str]]
History = Sequence[tuple[str, str]]
StepResults = Sequence[tuple[str, str | None, str]]

# Brackets at which JSON is looked for, so that hostile text cannot make the search quadratic.
_MAX_STARTS = 50


def system(content: str) -> dict[str, str]:
    """A system message."""
    return {"role": "system", "content": content}


def user(content: str) -> dict[str, str]:
    """A user's message."""
    return {"role": "user", "content": content}


def quoted(history: History) -> str:
    """Earlier turns as text; empty without any."""
    if not history:
        return ""
    turns = "\n".join(f"User: {asked}\nAssistant: {said}" for asked, said in history)
    return f"Conversation so far:\n{turns}\n\n"


def listed(results: StepResults) -> str:
    """Finished steps as a numbered list; empty without any."""
    if not results:
        return ""
    lines = [
        f"{number}. {instruction or 'Step'} ({tool or 'text'}): {output}"
        for number, (instruction, tool, output) in enumerate(results, 1)
    ]
    return "Results:\n" + "\n".join(lines) + "\n"


def object_schema(properties: JsonDict, required: Sequence[str]) -> JsonDict:
    """JSON schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def json_values(text: str, starts: str = r"[{\[]") -> Iterator[Any]:
    """JSON values that begin in the text, in a code fence or in prose, in their order.

    Args:
        text: What a model wrote.
        starts: Regular expression of the brackets to begin at.
    """
    decoder = json.JSONDecoder()
    for match in islice(re.finditer(starts, text), _MAX_STARTS):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (json.JSONDecodeError, RecursionError):
            continue
        yield value
