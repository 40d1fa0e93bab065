"""What nodes and the coordinator say to each other."""

import pytest
from pydantic import ValidationError

from llmlab.protocol import mesh


def test_messages_keep_their_kind():
    join = mesh.Join(kind="local", name="local-1", instance_id="12345678", epoch=1)
    assert mesh.from_node.validate_json(join.model_dump_json()) == join
    joined = mesh.Joined(node_id="n", heartbeat_interval=1.0)
    assert mesh.from_coordinator.validate_json(joined.model_dump_json()) == joined


@pytest.mark.parametrize(
    "change",
    [{"name": "../x"}, {"name": ""}, {"kind": "king"}, {"epoch": -1}, {"instance_id": "x"}],
)
def test_a_join_with_odd_fields_is_refused(change):
    fields = {"kind": "local", "name": "a", "instance_id": "12345678", "epoch": 1} | change
    with pytest.raises(ValidationError):
        mesh.from_node.validate_python({"type": "join"} | fields)
