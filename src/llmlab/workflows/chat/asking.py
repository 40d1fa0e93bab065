"""What an English question asks for, and how a text that answers it looks."""

from __future__ import annotations

import re

_NUMBER = (
    r"(?i:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty"
    r"|forty|fifty|hundred|thousand|dozen)\b)"
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_PRICE_ASKED = (
    r"\bhow (?:much|expensive)\b|\bpric|\bcosts?\b|\bfees?\b|\bpay|\bcharge|\bfare|\bsalary"
    r"|\brent\b|\bfine\b"
)
_PRICE = r"[$€£]|(?i:\b(?:euros?|dollars?|pounds?|cents|francs|crowns|free|price|costs?)\b)"
_MOMENT_ASKED = (
    r"\bwhen\b|\b(?:what|which) (?:time|year|day|date|month)|\bsince\b|\buntil\b|\bopen|\bclos"
    r"|\bdate\b|\bdeadline|\bborn\b|\bstart|\bnext\b|\bhow (?:old|late|early)\b"
)
_MOMENT = (
    r"\b(?:1[4-9]|20)\d\d\b|\b\d{1,2}[:.]\d\d\b|\d ?[ap]\.?m\b|o'clock|\b(?:noon|midnight|daily"
    rf"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|{_MONTHS})\b"
)
_SPAN_ASKED = r"\bhow (?:long|often|soon|quick)|\bduration|\bwait\b|\btake"
_SPAN = rf"{_NUMBER}.{{0,20}}\b(?:second|minute|hour|day|week|month|year|km|met|mile|feet)"
_AMOUNT_ASKED = (
    r"\bhow (?:many|big|tall|far|heavy|high|deep|large|fast|wide|hot|warm|cold|loud|strong|steep"
    r"|thick)\b|\bnumber of\b|\bspeed|\bheight|\bweight|\bsize|\blength|\blimit|\bmax"
    r"|\bpopulation|\btemperature"
)
_PERSON_ASKED = r"\bwho(?:se|m)?\b|\bname\b"
_PERSON = r"[a-z,] [A-Z]\w+ [A-Z]|^[A-Z]\w+ [A-Z]\w"
_PLACE_ASKED = r"\bwhere\b|\bwhich (?:city|country|town|street|river|place)|\baddress\b|\blocat"
_PLACE = r"\b(?:in|at|near|to|from|on|of|behind) (?:the )?[A-Z]|(?i:\b(?:street|road|square)\b)"
_ANSWERS = tuple(
    (re.compile(question, re.IGNORECASE), re.compile(answer))
    for question, answer in (
        (_PRICE_ASKED, _PRICE),
        (_MOMENT_ASKED, _MOMENT),
        (_SPAN_ASKED, _SPAN),
        (_AMOUNT_ASKED, _NUMBER),
        (_PERSON_ASKED, _PERSON),
        (_PLACE_ASKED, _PLACE),
    )
)


def answer_looks(question: str) -> list[re.Pattern[str]]:
    """Patterns of what a question asks for: prices, moments, spans, amounts, people, places.

    Args:
        question: The user's words.

    Returns:
        Empty if it isn't asked in English, or asks for something else.
    """
    return [answer for asked, answer in _ANSWERS if asked.search(question)]
