"""Makes wordings as people really type them: small letters, missing marks, slips of the finger."""

from __future__ import annotations

import re

from training.data.phrasing import Source

# A word of five letters or more outside `{slots}`, `[choices]`, quotes and addresses.
_WORD = re.compile(r"(?<![{\w\[|.'\"=/:-])[a-zA-Z]{5,}(?![\w}\]|.'\"=/:-])")
# What stays as it is: slots, and addresses, which are to be copied.
_KEPT = re.compile(r"(\{\w+(?:\.\w+)?\}|\S*\w[/.]\w\S*)")


def roughened(source: Source, template: str) -> str:
    """A template (its slots stay as they are), now and then typed carelessly."""
    if source.chance(0.1):
        template = template.replace("}%", "} %")
    draw = source.rng.random()
    if draw < 0.06:
        return _slip(source, template)
    if draw < 0.14:
        return _lowered(template)
    if draw < 0.18:
        return _lowered(template).replace("'", "")
    return template


def _lowered(template: str) -> str:
    parts = _KEPT.split(template)
    text = "".join(part if at % 2 else part.lower() for at, part in enumerate(parts))
    # What is nothing but marks stays.
    return text.rstrip("?.!") or text


def _slip(source: Source, template: str) -> str:
    """Swaps, drops or doubles a letter inside one word."""
    found = list(_WORD.finditer(template))
    if not found:
        return template
    match = source.rng.choice(found)
    word = match[0]
    at = source.rng.randint(1, len(word) - 3)
    slipped = source.rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )
    return template[: match.start()] + slipped + template[match.end() :]
