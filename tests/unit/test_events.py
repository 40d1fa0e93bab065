"""Events keep their kind through JSON."""

import pytest
from pydantic import ValidationError

from llmlab import events
from llmlab.events import event_adapter

EVERY = [
    events.RunStarted(run_id="run_1", session_id="s"),
    events.PlanMade(plan=[events.PlannedStep(tool="calculator", args={"expression": "1+1"})]),
    events.StepFinished(step=events.StepRecord(key="1", kind="tool", output={"result": [1, None]})),
    events.TokenMade(text="h\u00e9"),
    events.RunDone(run_id="run_1", answer="2"),
    events.RunFailed(run_id="run_1", message="no", code="no_worker"),
]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.type)
def test_an_event_comes_back_as_it_went(event):
    assert event_adapter.validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize("text", ["{}", '{"type": "exec"}', '{"type": "token"}', "[]"])
def test_anything_else_is_no_event(text):
    with pytest.raises(ValidationError):
        event_adapter.validate_json(text)
