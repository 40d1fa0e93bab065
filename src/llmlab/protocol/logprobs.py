"""The likelihood of tokens in OpenAI's two forms.

Chat has ``{"content": [{"token", "logprob", "top_logprobs"}]}``. Completions have lists side by
side: ``{"tokens", "token_logprobs", "top_logprobs", "text_offset"}``. llama.cpp answers both in
the form of chat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from llmlab.types import JsonObject, JsonValue


def as_completion(logprobs: JsonObject, offset: int) -> JsonObject:
    """Return logprobs in the form of completions; what has that form already is left as it is.

    Args:
        logprobs: In either form.
        offset: Characters of the text before the first token.
    """
    content = logprobs.get("content")
    if not isinstance(content, list):
        return logprobs
    entries = [entry for entry in content if isinstance(entry, dict)]
    tokens = [_token(entry) for entry in entries]
    offsets: list[JsonValue] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": cast("list[JsonValue]", tokens),
        "token_logprobs": [entry.get("logprob") for entry in entries],
        "top_logprobs": [_alternatives(entry) for entry in entries],
        "text_offset": offsets,
    }


def joined(parts: Iterable[JsonObject]) -> JsonObject | None:
    """Put the logprobs of a stream's pieces together; None when there are none."""
    whole: JsonObject = {}
    for part in parts:
        for name, value in part.items():
            known = whole.get(name)
            if isinstance(known, list) and isinstance(value, list):
                known.extend(value)
            else:
                # A list of its own: the piece stays as it came.
                whole[name] = [*value] if isinstance(value, list) else known or value
    return whole or None


def _token(entry: JsonObject) -> str:
    return str(entry.get("token") or "")


def _alternatives(entry: JsonObject) -> JsonValue:
    listed = entry.get("top_logprobs")
    if not isinstance(listed, list):
        return {}
    return {_token(each): each.get("logprob") for each in listed if isinstance(each, dict)}
