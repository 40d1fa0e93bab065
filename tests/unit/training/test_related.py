"""The table of words that go together, as it is counted on what people say of tools."""

from importlib.resources import files

from training.data.corpus import blocks
from training.related import Said, table

from llmlab.workflows import chat
from llmlab.workflows.chat.related import TABLE, stems


def _said(*pairs: tuple[str, str]) -> list[Said]:
    return [Said(stems(asked), stems(told), kind) for kind, (asked, told) in enumerate(pairs)]


def test_words_that_come_together_in_several_kinds_of_tools_are_related() -> None:
    said = _said(
        ("cab station", "order taxi"),
        ("cab home", "book taxi"),
        ("cab airport", "taxi fare"),
        ("lamp off", "switch light"),
        ("lamp hall", "light room"),
        ("lamp kitchen", "dim light"),
    )
    rows = dict(line.split(": ") for line in table(said * 3).splitlines() if line[0] != "#")
    assert "taxi" in rows["cab"]
    assert "light" not in rows["cab"]
    assert "light" in rows["lamp"]
    # Each of these was said of one tool only.
    assert rows.keys() == {"cab", "lamp"}


def test_pair_that_was_written_down_counts_at_once() -> None:
    said = [Said(stems("gloomy"), stems("light lamp"), 7, outright=True)]
    rows = dict(line.split(": ") for line in table(said * 3).splitlines() if line[0] != "#")
    assert {"light", "lamp"} <= set(rows["gloom"].split())


def test_what_is_written_down_names_a_tool_and_what_people_say() -> None:
    for block in blocks("related/*.txt"):
        told, colon, asked = block.head.partition(":")
        assert colon, block
        assert not block.lines, block
        assert stems(told), block
        assert len(asked.split(",")) > 4, block


def test_shipped_table_is_made_of_stems() -> None:
    text = files(chat).joinpath(TABLE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) > 4000
    for line in lines:
        asked, _, row = line.partition(": ")
        pairs = row.split(" ")
        assert asked.isalpha()
        assert all(told.isalpha() for told in pairs[::2])
        assert all(int(oftener) > 0 for oftener in pairs[1::2])
