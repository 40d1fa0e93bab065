"""Labs with a scripted model, each ended after its test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.chatting import ANSWER, Lab, MakeLab, Model

from llmlab.store.database import Database
from llmlab.testing.script import Reply


@pytest.fixture
async def make_lab(sqlite: Database) -> AsyncIterator[MakeLab]:
    made: list[Lab] = []

    def make(*plans: Reply | str, model: Any = None, answer: Reply | str = ANSWER) -> Lab:
        made.append(Lab(sqlite, model or Model(*plans, answer=answer)))
        return made[-1]

    yield make
    for lab in made:
        await lab.runs.stop()
        await lab.manager.close()
