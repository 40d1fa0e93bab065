"""What lab-mini knows about LLM Lab: answers, each with the questions that ask for it."""

from __future__ import annotations

from pathlib import Path


def read_facts(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Reads lines of an answer, each followed by its questions, indented."""
    facts: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith(" "):
            facts[-1][1].append(line.strip())
        else:
            facts.append((line, []))
    return tuple((answer, tuple(questions)) for answer, questions in facts)


FACTS = read_facts(Path(__file__).with_name("facts.txt").read_text(encoding="utf-8"))
