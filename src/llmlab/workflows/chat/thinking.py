"""Drops what a reasoning model thinks aloud before it answers: ``<think> ... </think>``."""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


def without_thoughts(text: str) -> str:
    """Return a whole answer without the thoughts before it."""
    filtered = ThoughtFilter()
    return (filtered.feed(text) + filtered.end()).strip()


class ThoughtFilter:
    """Does the same for a text that comes in pieces."""

    def __init__(self) -> None:
        self._pending = ""
        self._state = "start"

    def feed(self, text: str) -> str:
        """Take a piece and return what of it may be shown now."""
        if self._state == "answer":
            return text
        self._pending += text
        if self._state == "start":
            begun = self._pending.lstrip()
            if _OPEN.startswith(begun[: len(_OPEN)]) and len(begun) < len(_OPEN):
                return ""
            self._state = "thoughts" if begun.startswith(_OPEN) else "answer"
        if self._state == "thoughts":
            _, closed, rest = self._pending.partition(_CLOSE)
            if not closed:
                # No more is kept of the thoughts than the tag may need.
                self._pending = self._pending[-len(_CLOSE) :]
                return ""
            self._state, self._pending = "blank", rest
        return self._shown()

    def end(self) -> str:
        """Return what was held back until the end."""
        return "" if self._state == "thoughts" else self._pending

    def _shown(self) -> str:
        shown = self._pending.lstrip() if self._state == "blank" else self._pending
        if shown:
            self._state, self._pending = "answer", ""
        return shown
