"""What the connection tells about a node that joins."""

from __future__ import annotations

import pytest

from llmlab.api.websockets.join import as_seen
from llmlab.protocol.mesh import Join
from llmlab.types import NodeKind


def a_join(url: str | None) -> Join:
    return Join(kind=NodeKind.LOCAL, name="box", instance_id="instance-of-box", epoch=1, url=url)


@pytest.mark.parametrize(
    ("url", "caller", "kind", "seen_url"),
    [
        ("http://127.0.0.1:8001", "127.0.0.1", NodeKind.LOCAL, "http://127.0.0.1:8001"),
        ("http://127.0.0.1:8001", "192.0.2.7", NodeKind.REMOTE, "http://192.0.2.7:8001"),
        ("http://localhost:8001", "192.0.2.7", NodeKind.REMOTE, "http://192.0.2.7:8001"),
        ("http://[::1]:8001", "2001:db8::7", NodeKind.REMOTE, "http://[2001:db8::7]:8001"),
        ("http://192.0.2.9:8001", "192.0.2.7", NodeKind.REMOTE, "http://192.0.2.9:8001"),
        ("http://box.local:8001", "192.0.2.7", NodeKind.REMOTE, "http://box.local:8001"),
        (None, "192.0.2.7", NodeKind.REMOTE, None),
    ],
)
def test_a_node_elsewhere_is_not_local_and_not_on_our_loopback(
    url: str | None, caller: str, kind: NodeKind, seen_url: str | None
) -> None:
    seen = as_seen(a_join(url), caller)
    assert (seen.kind, seen.url) == (kind, seen_url)
