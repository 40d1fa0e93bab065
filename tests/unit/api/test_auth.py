"""Keys, cookies, and what a node's secret opens."""

from __future__ import annotations

import pytest

from llmlab.api.auth import NODE, OWNER, SESSION_SECONDS, Doorkeeper, NodesJoinOnly, Sessions
from llmlab.protocol.access import Event, Receive, Scope, Send


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def a_doorkeeper(*, key: str = "lab-key", secret: str = "s" * 40) -> Doorkeeper:
    return Doorkeeper(key, "node-secret", Sessions(secret, key))


def test_keys_stand_for_their_tenants() -> None:
    doorkeeper = a_doorkeeper()
    assert doorkeeper.authenticate("lab-key", None) == OWNER
    assert doorkeeper.authenticate("node-secret", None) == NODE
    assert doorkeeper.authenticate("lab-kez", None) is None
    assert doorkeeper.authenticate(None, None) is None
    assert doorkeeper.authenticate("' OR 1=1 --", None) is None
    assert doorkeeper.authenticate("ключ", None) is None


def test_signing_in_gives_a_cookie_that_stands_for_the_owner() -> None:
    doorkeeper = a_doorkeeper()
    cookie = doorkeeper.sign_in("lab-key")
    assert cookie is not None
    assert "lab-key" not in cookie
    assert doorkeeper.authenticate(None, cookie) == OWNER


@pytest.mark.parametrize("key", ["", "wrong", "node-secret"])
def test_other_keys_give_no_cookie(key: str) -> None:
    assert a_doorkeeper().sign_in(key) is None


def test_a_wrong_key_is_not_saved_by_a_good_cookie() -> None:
    doorkeeper = a_doorkeeper()
    assert doorkeeper.authenticate("wrong", doorkeeper.sign_in("lab-key")) is None


def test_cookies_expire() -> None:
    clock = Clock()
    sessions = Sessions("s" * 40, "lab-key", clock=clock)
    cookie = sessions.issue(OWNER)
    clock.now += SESSION_SECONDS - 1
    assert sessions.tenant_of(cookie) == OWNER
    clock.now += 2
    assert sessions.tenant_of(cookie) is None


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "owner",
        "owner.99999999999",
        "owner.99999999999.00",
        "owner.99999999999.ключ",
        "....",
    ],
)
def test_forged_cookies_are_worthless(forged: str) -> None:
    assert a_doorkeeper().authenticate(None, forged) is None


def test_a_changed_cookie_is_worthless() -> None:
    doorkeeper = a_doorkeeper()
    cookie = doorkeeper.sign_in("lab-key") or ""
    tenant, expiry, signature = cookie.split(".")
    assert doorkeeper.authenticate(None, f"{tenant}.{int(expiry) + 1}.{signature}") is None
    assert doorkeeper.authenticate(None, f"node.{expiry}.{signature}") is None


def test_another_key_or_secret_ends_all_sessions() -> None:
    cookie = a_doorkeeper().sign_in("lab-key")
    assert a_doorkeeper(key="other").authenticate(None, cookie) is None
    assert a_doorkeeper(secret="t" * 40).authenticate(None, cookie) is None


@pytest.mark.parametrize(
    ("tenant", "path", "let_in"),
    [
        (NODE, "/ws/join", True),
        (NODE, "/health", True),
        (NODE, "/v1/models", False),
        (NODE, "/api/runs", False),
        (OWNER, "/v1/models", True),
        (OWNER, "/ws/join", False),
        (None, "/health", True),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_nodes_join_and_owners_do_the_rest(
    kind: str, tenant: str | None, path: str, let_in: bool
) -> None:
    reached: list[str] = []
    sent: list[Event] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    async def receive() -> Event:
        return {}

    async def send(event: Event) -> None:
        sent.append(event)

    scope: Scope = {"type": kind, "path": path, "state": {"tenant": tenant}}
    await NodesJoinOnly(app)(scope, receive, send)
    assert bool(reached) == let_in
    if not let_in:
        assert sent[0].get("status", sent[0].get("code")) in (403, 1008)
