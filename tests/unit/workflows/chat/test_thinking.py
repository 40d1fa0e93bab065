"""Thoughts before an answer are not part of it."""

import pytest

from llmlab.workflows.chat.thinking import ThoughtFilter, without_thoughts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello", "Hello"),
        ("<think>hm, 25*67</think>\n\nIt is 1675.", "It is 1675."),
        ("  <think>a</think>b<think>c</think>", "b<think>c</think>"),
        ("<think>never ends", ""),
        ("<th", "<th"),
        ("<this> is a tag", "<this> is a tag"),
        ("a < b", "a < b"),
        ("", ""),
    ],
)
def test_thoughts_are_dropped_however_the_text_is_cut(text: str, shown: str) -> None:
    assert without_thoughts(text) == shown
    for size in (1, 2, 5):
        filtered = ThoughtFilter()
        pieces = [filtered.feed(text[at : at + size]) for at in range(0, len(text), size)]
        assert ("".join(pieces) + filtered.end()).strip() == shown
