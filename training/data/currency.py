"""Puts currencies beside the numbers of a wording, as people who speak of money do."""

from __future__ import annotations

import re

from training.data.phrasing import Source

_SIGNS = ("$", "$", "$", "€", "€", "€", "£", "£")
_BEHIND = ("€", " €", " euros", " euros", " dollars", " dollars", " pounds", " EUR", " USD", "$")
# A number of no other unit: nothing stands before it that belongs to it, and no noun behind it.
_AMOUNT = re.compile(
    r"(?<![\w$€£¥#^*/+=(.}-])\{(?:[a-e]|price|money|dec|big|any)(?:\.\w+)?\}"
    r"(?=[,.;:?!]?$|[,;:?!] |\. | (?:and|plus|minus|times|by|from|to|of|for|in|on|with|off|is|are"
    r"|each|a|per|at|left|then|divided|multiplied|less|more|out|into|apiece|both|again|what|how"
    r"|if|when)\b)"
)


def priced(source: Source, template: str) -> str:
    """A template (its slots stay as they are), now and then with currencies beside its amounts."""
    if not source.chance(0.14):
        return template
    if source.chance(0.7):
        sign = source.rng.choice(_SIGNS)
        return _AMOUNT.sub(lambda match: sign + match[0], template)
    unit = source.rng.choice(_BEHIND)
    return _AMOUNT.sub(lambda match: match[0] + unit, template)
