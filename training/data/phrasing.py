"""Text templates with alternatives, and the split into trained and held-out phrasings."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "held_out"]

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_HELD_OUT_SHARE = 10
_HELD_OUT_KINDS = 12


def is_held_out(template: str) -> bool:
    """True for the tenth of all templates that training never sees."""
    return zlib.crc32(template.encode()) % _HELD_OUT_SHARE == 0


def is_held_out_kind(name: str) -> bool:
    """True for the twelfth of all tools, scenes and the like that training sees in no wording."""
    return zlib.crc32(name.encode()) % _HELD_OUT_KINDS == 0


@dataclass(frozen=True)
class Source:
    """Randomness and phrasings of one split.

    Attributes:
        rng: Seeded source of every choice.
        split: Which phrasings to draw from.
    """

    rng: random.Random
    split: Split = "train"

    def phrase(self, templates: Sequence[str], slots: Mapping[str, str] | None = None) -> str:
        """Draws a template of this split, chooses its alternatives and fills its slots.

        A held-out draw falls back on the trained templates where none is held out.
        """
        return fill(self.choose(self.phrase_whole(templates)), slots or {})

    def phrase_whole(self, templates: Sequence[str]) -> str:
        """Draws a template of this split, as it stands."""
        held_out = self.split == "held_out"
        wanted = [text for text in templates if is_held_out(text) == held_out]
        return self.rng.choice(wanted or list(templates))

    def choose(self, template: str) -> str:
        """Resolves every `[a|b]` to one of its alternatives, innermost first."""
        while match := _CHOICE.search(template):
            chosen = self.rng.choice(match[1].split("|"))
            template = template[: match.start()] + chosen + template[match.end() :]
        return template

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability


def fill(template: str, slots: Mapping[str, str]) -> str:
    """Puts values in the place of `{name}`; other braces stay."""
    return _SLOT.sub(lambda match: slots.get(match[1], match[0]), template)


# How a thing to be known ("the sum of 2 and 3") is asked for.
ASKING = (
    "what is {x}?",
    "what's {x}?",
    "whats {x}",
    "what is {x}",
    "calculate {x}",
    "calculate {x}.",
    "compute {x}",
    "work out {x}",
    "evaluate {x}",
    "solve {x}",
    "tell me {x}",
    "give me {x}",
    "find {x}",
    "figure out {x}",
    "how much is {x}?",
    "how much would {x} be?",
    "how much does {x} make?",
    "what does {x} come to?",
    "what does {x} equal?",
    "what would {x} be?",
    "what do you get for {x}?",
    "{x}",
    "{x}?",
    "{x} = ?",
    "{x} =",
    "{x}, please",
    "{x} equals what?",
    "{x} is how much?",
    "I need {x}",
    "I need to know {x}.",
    "I want to know {x}",
    "I'd like to know {x}.",
    "I would like {x}.",
    "I'm trying to find {x}.",
    "I'm looking for {x}",
    "I have to know {x} for my homework.",
    "do you know {x}?",
    "any idea what {x} is?",
    "do the math: {x}",
    "quick maths: {x}",
    "quick question: what is {x}?",
    "math question: {x}",
    "help me with {x}",
    "help me work out {x}",
    "let me know {x}",
    "let me have {x}",
    "show me {x}",
    "can you calculate {x}?",
    "can you tell me {x}?",
    "can you tell me what {x} is?",
    "can you work out {x} for me?",
    "could you compute {x}?",
    "could you find {x} for me?",
    "could you tell me how much {x} is?",
    "would you work out {x}?",
    "would you please give me {x}?",
    "please calculate {x}",
    "please tell me {x}.",
    "please compute {x} for me.",
    "use the calculator for {x}",
    "use your calculator: {x}",
    "with the calculator, what is {x}?",
    "the result of {x}?",
    "what is the result of {x}?",
    "what's the answer to {x}?",
    "what is the value of {x}?",
    "what number is {x}?",
    "check {x} for me",
    "double check {x}, please",
    "i wonder what {x} is",
    "my teacher asks: what is {x}?",
    "for my budget I need {x}.",
    "so what is {x} then?",
    "and what is {x}?",
    "ok, now {x}",
    "now {x}",
    "how about {x}?",
    "run the numbers on {x}",
    "mind telling me {x}?",
    "say, what is {x}?",
    "could I get {x}?",
    "may I have {x}?",
)

# How something to be done ("add 2 and 3") is asked for.
COMMANDING = (
    "{x}",
    "{x}.",
    "{x}!",
    "{x} please",
    "{x}, please.",
    "{x} for me",
    "{x} for me, please.",
    "{x}, thanks",
    "{x} now",
    "please {x}",
    "please {x}.",
    "please {x} for me",
    "can you {x}?",
    "can you {x}",
    "can you please {x}?",
    "can you quickly {x}?",
    "could you {x}?",
    "could you please {x}?",
    "could you {x} for me?",
    "could u {x}",
    "would you {x}?",
    "would you kindly {x}?",
    "would you mind, {x}?",
    "will you {x}?",
    "I want you to {x}",
    "I want you to {x}.",
    "I'd like you to {x}.",
    "I would like you to {x}",
    "I need you to {x}",
    "I need you to {x} right away.",
    "I'd appreciate it if you could {x}.",
    "I was wondering if you could {x}.",
    "it would be great if you could {x}",
    "go ahead and {x}",
    "go and {x}",
    "let's {x}",
    "try to {x}",
    "help me {x}",
    "help me to {x}, please",
    "now {x}",
    "ok now {x}",
    "next, {x}",
    "first of all, {x}",
    "your task: {x}",
    "task: {x}",
    "todo: {x}",
    "just {x}",
    "simply {x}",
    "kindly {x}",
    "hey, {x}",
    "hi, can you {x}?",
    "hello, please {x}.",
    "assistant, {x}",
    "lab, {x}",
    "do me a favour and {x}",
    "do me a favor: {x}",
    "be so kind and {x}",
    "are you able to {x}?",
    "is it possible for you to {x}?",
    "you should {x}",
    "maybe you can {x}",
    "quickly {x}",
    "when you have a moment, {x}",
)

_GREETINGS = ("Hi! ", "Hi, ", "Hello, ", "hey ", "Hey there, ", "Good morning. ", "ok ", "So, ")
_ENDINGS = (" Thanks!", " Thank you.", " thanks", " Please.", " :)")


def ask(source: Source, thing: str) -> str:
    """A request to know `thing`."""
    return polish(source, source.phrase(ASKING, {"x": thing}))


def command(source: Source, action: str) -> str:
    """A request to do `action`."""
    return polish(source, source.phrase(COMMANDING, {"x": action}))


def polish(source: Source, text: str) -> str:
    """Gives a request a case and, now and then, a greeting or thanks, as people write them."""
    if source.chance(0.6):
        text = text[:1].upper() + text[1:]
    if source.chance(0.06):
        text = source.rng.choice(_GREETINGS) + text
    if source.chance(0.04) and text[-1] in ".?!":
        text += source.rng.choice(_ENDINGS)
    return text
