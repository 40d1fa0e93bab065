"""Tools that do two opposite things, of which an argument says one: on or off, open or close."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from training.data.newtools import Archetype, Argument
from training.data.phrasing import Source

_ACTIONS = ("action", "command", "state", "mode", "operation", "what")
_WHETHER = ("Sets whether {o} is {state}.", "Whether {o} is {state} or not.")


@dataclass(frozen=True)
class _Pair:
    """Two verbs, what a flag is called that says which, and words for either."""

    verbs: tuple[str, str]
    flags: tuple[str, ...]
    words: tuple[tuple[str, str], ...]


_PAIRS = (
    _Pair(("turn_on", "turn_off"), ("on", "enabled", "power", "active"), (("on", "off"),)),
    _Pair(("start", "stop"), ("running", "active", "started"), (("start", "stop"),)),
    _Pair(("open", "close"), ("open", "opened"), (("open", "close"), ("open", "closed"))),
    _Pair(("lock", "unlock"), ("locked", "secured"), (("lock", "unlock"), ("locked", "unlocked"))),
    _Pair(("resume", "pause"), ("running", "active"), (("resume", "pause"), ("run", "pause"))),
    _Pair(("show", "hide"), ("visible", "shown"), (("show", "hide"),)),
    _Pair(("allow", "block"), ("allowed", "permitted"), (("allow", "block"), ("allow", "deny"))),
    _Pair(("approve", "reject"), ("approved", "accepted"), (("approve", "reject"),)),
    _Pair(("subscribe", "unsubscribe"), ("subscribed",), (("subscribe", "unsubscribe"),)),
    _Pair(("install", "uninstall"), ("installed",), (("install", "remove"),)),
    _Pair(("raise", "lower"), ("up", "raised"), (("up", "down"), ("raise", "lower"))),
    _Pair(("upload", "download"), (), (("upload", "download"), ("up", "down"))),
    _Pair(("buy", "sell"), (), (("buy", "sell"),)),
    _Pair(("check_in", "check_out"), (), (("in", "out"), ("check_in", "check_out"))),
)
# Most of what can be shown, bought or sent one way cannot be hidden, sold or sent back.
_ONE_WAY = {"show", "upload", "download", "buy", "sell"}
_OPPOSITES = {key: pair for pair in _PAIRS for key in pair.verbs}


def opposite(key: str, possible: tuple[str, ...]) -> str | None:
    """The verb that undoes another on an object; None if there is none.

    Args:
        key: The verb's name.
        possible: What people do to the object.
    """
    if key not in _OPPOSITES:
        return None
    first, second = _OPPOSITES[key].verbs
    other = second if key == first else first
    return other if other in possible or not {key, other} & _ONE_WAY else None


def switch(
    source: Source, key: str, name: str, general: str, make: Callable[[str], Archetype]
) -> Archetype:
    """A kind of tool that does what a verb says, and its opposite.

    Args:
        source: Of every choice.
        key: One of the two verbs.
        name: Of the object.
        general: What a developer calls the object.
        make: Gives the kind of tool that does only what one verb says.
    """
    pair = _OPPOSITES[key]
    kinds = [make(verb) for verb in pair.verbs]
    if pair.flags and source.chance(0.6):
        flag = source.rng.choice(pair.flags)
        argument, values = Argument(flag, "flag", (), required=True), ("true", "false")
        telling = [text.format(o=general, state=flag) for text in _WHETHER]
    else:
        values = source.rng.choice(pair.words)
        argument = Argument(source.rng.choice(_ACTIONS), "enum", values, required=True)
        telling = []
    done = " or ".join(verb.replace("_", " ") for verb in pair.verbs)
    telling += [f"{done.capitalize()} {general}.", f"Can {done} {general}."]
    wordings = [
        replace(wording, constants={argument.name: value})
        for kind, value in zip(kinds, values, strict=True)
        for wording in kind.wordings
    ]
    names = (f"set_{name}", f"{name}_{argument.name}", f"{name}_control", f"{name}.set", name)
    return Archetype(names, tuple(telling), (argument, *kinds[0].arguments), tuple(wordings))
