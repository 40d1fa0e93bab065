"""Results of tools of all kinds (weather, parcels, files ...), and the sentence that tells them.

A block of `corpus/results/` is one kind of tool, its head the names that it may have. Its lines:

- `! ...` requests for all that the tool gives, `* ...` orders to do something;
- `> ...` what the tool may give as plain text;
- `+ ...` items of which it may give a list;
- `@ name name: value` a field of what it gives, under one of the names; `@# ` marks the field that
  tells records apart, whose value requests may have under its first name as slot;
- `? ...` requests for the field above.

Alternatives of a line stand between ` | `. Texts are told whole ("The result is: ..."), the field
that is asked for with its name ("The temperature is 21."), several fields with their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from training.data.corpus import Block, drawn
from training.data.numbers import Number
from training.data.pages import page_slots
from training.data.phrasing import Source, polish
from training.data.rough import roughened
from training.data.slots import SLOT, Slots
from training.data.words import Words

PATTERN = "results/*.txt"
NOTHING = "Nothing was found."
DONE = "Done."
_DONE = ("ok", "done", "OK", "success", "true", "Done.", '{"ok": true}', '{"status": "ok"}')
_NOTHING = ("[]", "[]", "No results.", "no results", '{"results": []}', '{"items": []}', "none")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
_FRAMES = ("result", "data", "response", "output")
_LISTS = ("items", "results", "list", "entries", "data")


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave to a request.

    Attributes:
        request: What was asked.
        tool: Name of the tool.
        output: What it gave.
        sentence: The sentence that answers the request with it.
    """

    request: str
    tool: str
    output: str
    sentence: str


@dataclass
class _Field:
    names: tuple[str, ...]
    values: tuple[str, ...]
    is_key: bool
    requests: list[str] = field(default_factory=list)

    @property
    def slot(self) -> str:
        """Name of the slot that requests have for its value."""
        return self.names[0]


@dataclass
class _Kind:
    names: tuple[str, ...]
    general: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    fields: list[_Field] = field(default_factory=list)


Record = dict[str, str]
_Columns = list[tuple[_Field, str]]


def tool_result(source: Source, words: Words) -> ToolResult:
    """A request, what some tool gave to it, and the sentence that tells it."""
    block = drawn(source.rng, PATTERN)
    kind = _kind(block)
    forms: list[tuple[float, Callable[[], tuple[str, str, str]]]] = []
    wanted = [item for item in kind.fields if item.requests]
    if wanted:
        chosen = source.rng.choice(wanted)
        forms.append((1.0 + len(wanted), lambda: _one_field(source, words, kind, chosen)))
    if kind.texts:
        forms.append((2.0, lambda: _text(source, words, kind)))
    if kind.items:
        forms.append((3.0, lambda: _list(source, words, kind)))
    if kind.fields and (kind.general or kind.orders):
        forms.append((1.0, lambda: _all_fields(source, words, kind)))
    (make,) = source.rng.choices([form for _, form in forms], [weight for weight, _ in forms])
    request, output, sentence = make()
    name = source.rng.choice(kind.names) if source.chance(0.88) else words.made_up()
    return ToolResult(request, name, output, sentence)


def _text(source: Source, words: Words, kind: _Kind) -> tuple[str, str, str]:
    """A plain text; an order may get no more than a word."""
    slots = _slots(source, words, kind)
    request = _asked(source, slots, source.phrase_whole(kind.general + kind.orders))
    if not kind.general and source.chance(0.25):
        return request, source.rng.choice(_DONE), DONE
    text = slots.said(source.choose(source.rng.choice(kind.texts)))
    output = text
    if source.chance(0.15):
        key = source.rng.choice((*_FRAMES, "message", "text"))
        output = _json({key: text})
    return request, output, _told(text)


def _list(source: Source, words: Words, kind: _Kind) -> tuple[str, str, str]:
    """A list of short texts, perhaps empty."""
    slots = _slots(source, words, kind)
    request = _asked(source, slots, source.phrase_whole(kind.general))
    if source.chance(0.07):
        return request, source.rng.choice(_NOTHING), NOTHING
    rng = source.rng
    count = rng.choice((1, 2, 2, 3, 3, 4, 5))
    items = [
        page_slots(source, words).said(source.choose(rng.choice(kind.items))) for _ in range(count)
    ]
    forms: tuple[Callable[[], str], ...] = (
        lambda: json.dumps(items, ensure_ascii=False),
        lambda: json.dumps({rng.choice(_LISTS): items}, ensure_ascii=False),
        lambda: json.dumps({"count": count, rng.choice(_LISTS): items}, ensure_ascii=False),
        lambda: "\n".join(items),
        lambda: "\n".join(f"- {item}" for item in items),
        lambda: "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1)),
        lambda: ", ".join(items),
    )
    return request, rng.choice(forms)(), f"The result is: {', '.join(items)}"


def _one_field(source: Source, words: Words, kind: _Kind, wanted: _Field) -> tuple[str, str, str]:
    """Fields, one of which is asked for; or records, and a field of the one that is named."""
    slots = _slots(source, words, kind)
    columns = _columns(source, kind, wanted, 6)
    template = source.phrase_whole(wanted.requests)
    request = _asked(source, slots, template)
    record = _record(source, words, _shared(slots, kind, template), columns)
    name = next(name for item, name in columns if item is wanted)
    if source.chance(0.15):
        return (
            request,
            source.rng.choice((record[name], _json({"result": record[name]}))),
            _told(record[name]),
        )
    verb = "are" if _is_plural(name) else "is"
    sentence = f"The {_spaced(name)} {verb} {record[name]}."
    key = next((item.slot for item in kind.fields if item.is_key), "")
    if not key or f"{{{key}}}" not in template or source.chance(0.35):
        return request, _object(source, words, record), sentence
    records, seen = [record], {slots.value(key).written}
    for _ in range(source.rng.choice((1, 1, 2, 3))):
        other = _shared(_slots(source, words, kind), kind, "")
        if other[key].written not in seen:
            seen.add(other[key].written)
            records.append(_record(source, words, other, columns))
    source.rng.shuffle(records)
    return request, _records(source, records), sentence


def _all_fields(source: Source, words: Words, kind: _Kind) -> tuple[str, str, str]:
    """A few fields, all of which are told with their names."""
    slots = _slots(source, words, kind)
    columns = _columns(source, kind, source.rng.choice(kind.fields), 3)
    template = source.phrase_whole(kind.general + kind.orders)
    request = _asked(source, slots, template)
    record = _record(source, words, _shared(slots, kind, template), columns)
    told = ", ".join(f"{_spaced(key)} {value}" for key, value in record.items())
    return request, _object(source, words, record, bare=True), _told(told)


def _asked(source: Source, slots: Slots, template: str) -> str:
    template = source.choose(template)
    said = slots.said(roughened(source, template))
    # A request that begins with a value keeps the value's case.
    return said if template.startswith("{") else polish(source, said)


def _slots(source: Source, words: Words, kind: _Kind) -> Slots:
    """Slots in which the fields that tell records apart have their values."""
    slots = page_slots(source, words)
    for item in kind.fields:
        if item.is_key:
            value = slots.written(source.choose(source.rng.choice(item.values)))
            slots.give(item.slot, Number(value, value))
    return slots


def _columns(source: Source, kind: _Kind, wanted: _Field, most: int) -> _Columns:
    """Some fields and their names, in a random order; the key and the wanted one are in it."""
    rng = source.rng
    others = [item for item in kind.fields if item is not wanted and not item.is_key]
    keys = [item for item in kind.fields if item.is_key and item is not wanted]
    chosen = [wanted, *keys, *rng.sample(others, min(len(others), rng.randint(0, most - 1)))]
    rng.shuffle(chosen)
    return [(item, rng.choice(item.names)) for item in chosen]


def _shared(slots: Slots, kind: _Kind, template: str) -> dict[str, Number]:
    """The values that a request and the result have in common, and those of the keys."""
    names = {match[1] for match in SLOT.finditer(template)}
    names |= {item.slot for item in kind.fields if item.is_key}
    return {name: slots.value(name) for name in names}


def _record(
    source: Source, words: Words, shared: Mapping[str, Number], columns: _Columns
) -> Record:
    record = {}
    for item, name in columns:
        # Fields of one kind shall differ, or else it could not be seen which one was told.
        slots = page_slots(source, words)
        for slot, value in shared.items():
            slots.give(slot, value)
        template = f"{{{item.slot}}}" if item.is_key else source.rng.choice(item.values)
        record[name] = slots.written(source.choose(template))
    return record


def _object(source: Source, words: Words, record: Record, *, bare: bool = False) -> str:
    """One record as text; `bare` if nothing may be added."""
    rng = source.rng
    noise = {} if bare or source.chance(0.7) else _noise(source, words, record)
    forms: tuple[Callable[[], str], ...] = (
        lambda: _json(record | noise),
        lambda: _json(noise | record),
        lambda: _json(record | noise, wide=True),
        lambda: f'{{"{rng.choice(_FRAMES)}": {_json(record)}}}',
        lambda: f'{{"meta": {_json(_noise(source, words, record))}, "data": {_json(record)}}}',
        lambda: f'{{"{rng.choice(_LISTS)}": [{_json(record)}]}}',
        lambda: f'{{"ok": true, "{rng.choice(_FRAMES)}": {_json(record)}}}',
        lambda: "\n".join(f"{_spaced(key).capitalize()}: {v}" for key, v in record.items()),
        lambda: "\n".join(f"{key}: {value}" for key, value in record.items()),
        lambda: ", ".join(f"{_spaced(key)}: {value}" for key, value in record.items()),
        lambda: " ".join(f"{key}={value}" for key, value in record.items()),
    )
    return rng.choice(forms)()


def _records(source: Source, records: Sequence[Record]) -> str:
    """Several records with the same fields: JSON, a table, or lines."""
    rng = source.rng
    listed = "[" + ", ".join(_json(record) for record in records) + "]"
    head = list(records[0])
    rows = [list(record.values()) for record in records]
    ruled = [head, ["---"] * len(head), *rows]
    forms: tuple[Callable[[], str], ...] = (
        lambda: listed,
        lambda: f'{{"{rng.choice(_LISTS)}": {listed}}}',
        lambda: "\n".join(" | ".join(row) for row in (head, *rows)),
        lambda: "\n".join("| " + " | ".join(row) + " |" for row in ruled),
        lambda: "\n".join(",".join(map(_cell, row)) for row in (head, *rows)),
        lambda: "\n".join("\t".join(row) for row in (head, *rows)),
        lambda: "\n".join(
            "- " + ", ".join(f"{_spaced(key)}: {value}" for key, value in record.items())
            for record in records
        ),
    )
    return rng.choice(forms)()


def _noise(source: Source, words: Words, record: Record) -> Record:
    """Fields of which nobody asks."""
    rng = source.rng
    fields = {
        "id": str(rng.randint(1, 99999)),
        "ok": "true",
        "source": words.url(),
        "updated_at": f"{rng.randint(2025, 2030)}-{rng.randint(10, 12)}-{rng.randint(10, 28)}",
        "request_id": words.made_up(),
        "cached": "false",
    }
    free = sorted(key for key in fields if key not in record)
    return {key: fields[key] for key in rng.sample(free, rng.choice((1, 2)))}


def _json(record: Record, *, wide: bool = False) -> str:
    """JSON with numbers as they are written ("12.50" stays so)."""
    parts = [f"{json.dumps(key)}: {_literal(value)}" for key, value in record.items()]
    if wide:
        return "{\n  " + ",\n  ".join(parts) + "\n}"
    return "{" + ", ".join(parts) + "}"


def _literal(value: str) -> str:
    if value in ("true", "false") or _NUMBER.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _cell(value: str) -> str:
    return f'"{value}"' if "," in value else value


def _told(text: str) -> str:
    return f"The result is: {text}"


def _spaced(key: str) -> str:
    return key.replace("_", " ")


def _is_plural(label: str) -> bool:
    return label.endswith("s") and not label.endswith(("ss", "us", "is"))


@cache
def _kind(block: Block) -> _Kind:
    """A kind of tool from its block.

    Raises:
        ValueError: A line is not of the form that the corpus has.
    """
    kind = _Kind(tuple(block.head.split()))
    lists = {"!": kind.general, "*": kind.orders, ">": kind.texts, "+": kind.items}
    for line in block.lines:
        mark, _, rest = line.partition(" ")
        if mark in lists:
            lists[mark] += rest.split(" | ")
        elif mark in ("@", "@#"):
            kind.fields.append(_field(rest, is_key=mark == "@#"))
        elif mark == "?" and kind.fields:
            kind.fields[-1].requests += rest.split(" | ")
        else:
            raise ValueError(f"{block.source}: {block.head}: odd line: {line}")
    return kind


def _field(text: str, *, is_key: bool) -> _Field:
    names, _, values = text.partition(": ")
    return _Field(tuple(names.split()), tuple(values.split(" | ")), is_key)
