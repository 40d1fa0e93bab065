"""The gate: who is let through, and what becomes of the rest."""

import orjson
import pytest

from llmlab.protocol import access
from llmlab.protocol.access import Gate, KeyRing

KEY = {"authorization": "Bearer lab-key"}


class Recorder:
    """An application that remembers what reached it."""

    def __init__(self):
        self.seen = []

    async def __call__(self, scope, receive, send):
        event = await receive()
        self.seen.append((scope, event))
        await access.respond(send, 200, b'"ok"')


class Cookies(KeyRing):
    def authenticate(self, bearer, cookie):
        return "owner" if cookie == "good" else super().authenticate(bearer, cookie)


@pytest.fixture
def app():
    return Recorder()


@pytest.fixture
def gate(app):
    keys = Cookies({"lab-key": "owner", "node-key": "node", "": "nobody"})
    return Gate(app, keys, hosts=["Lab.example"], max_body=100, public={"/health", "/assets/"})


async def ask(gate, path="/x", *, headers=None, body=(b"",), kind="http"):
    given = {"host": "127.0.0.1:8000"} | (headers or {})
    pairs = [(key.encode(), value.encode()) for key, value in given.items() if value is not None]
    scope = {"type": kind, "path": path, "method": "GET", "headers": pairs}
    events = [
        {"type": "http.request", "body": part, "more_body": index + 1 < len(body)}
        for index, part in enumerate(body)
    ]
    sent = []

    async def receive():
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(event):
        sent.append(event)

    await gate(scope, receive, send)
    return sent


def status(sent):
    return sent[0]["status"]


def code(sent):
    return orjson.loads(sent[1]["body"])["error"]["code"]


@pytest.mark.parametrize(("key", "tenant"), [("lab-key", "owner"), ("node-key", "node")])
async def test_a_known_key_is_let_through_as_its_tenant(gate, app, key, tenant):
    assert status(await ask(gate, headers={"authorization": f"Bearer {key}"})) == 200
    assert app.seen[0][0]["state"]["tenant"] == tenant


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", "Bearer ", "Basic lab-key", "Bearer wrong", "lab-key",
     "Bearer ' OR 1=1 --", "Bearer lab-key x", "Bearer k\u00e9y"],
)  # fmt: skip
async def test_anything_else_is_refused(gate, app, value):
    sent = await ask(gate, headers={"authorization": value})
    assert (status(sent), code(sent)) == (401, "invalid_api_key")
    assert not app.seen


@pytest.mark.parametrize(("path", "expected"), [
    ("/health", 200), ("/assets/app.js", 200),
    ("/healthy", 401), ("/health/x", 401), ("/assets", 401),
])  # fmt: skip
async def test_only_public_paths_need_no_key(gate, path, expected):
    assert status(await ask(gate, path)) == expected


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "[::1]:8000", "lab.example:8000"])
async def test_our_own_names_are_allowed(gate, host):
    assert status(await ask(gate, headers=KEY | {"host": host})) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", None, "localhost.evil", "[::2]", "10.0.0.1"],
)
@pytest.mark.parametrize("path", ["/x", "/health"])
async def test_a_foreign_host_is_refused_even_with_the_key(gate, app, host, path):
    sent = await ask(gate, path, headers=KEY | {"host": host})
    assert (status(sent), code(sent)) == (403, "forbidden")
    assert not app.seen


async def test_a_body_is_read_whole_and_handed_on(gate, app):
    await ask(gate, headers=KEY, body=(b"one ", b"two"))
    assert app.seen[0][1] == {"type": "http.request", "body": b"one two", "more_body": False}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ((b"x" * 101,), {}),
        ((b"x" * 60, b"x" * 60), {}),
        ((b"",), {"content-length": "101"}),
        ((b"",), {"content-length": "-1"}),
    ],
)
async def test_a_body_over_the_limit_is_refused(gate, app, body, headers):
    sent = await ask(gate, headers=KEY | headers, body=body)
    assert (status(sent), code(sent)) == (413, "body_too_large")
    assert not app.seen


async def test_a_body_that_never_ends_meets_its_deadline(gate, app, monkeypatch):
    monkeypatch.setattr(access, "BODY_DEADLINE", 0.05)
    sent = []

    async def never():
        import asyncio

        await asyncio.Event().wait()

    async def send(event):
        sent.append(event)

    headers = [(b"host", b"localhost"), (b"authorization", b"Bearer lab-key")]
    await gate({"type": "http", "path": "/x", "headers": headers}, never, send)
    assert (status(sent), code(sent)) == (408, "body_timeout")
    assert not app.seen


@pytest.mark.parametrize(("origin", "expected"), [
    (None, 200), ("http://127.0.0.1:8000", 200), ("http://evil.example", 403), ("null", 403),
    ("http://127.0.0.1:9999", 403),
])  # fmt: skip
async def test_a_cookie_counts_only_for_our_own_pages(gate, origin, expected):
    headers = {"cookie": "a=b; llmlab_session=good", "origin": origin}
    assert status(await ask(gate, headers=headers)) == expected


async def test_a_websocket_from_a_foreign_page_is_closed_before_it_is_accepted(gate, app):
    sent = await ask(gate, headers=KEY | {"origin": "http://evil.example"}, kind="websocket")
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "forbidden"}]
    assert not app.seen


async def test_a_websocket_needs_the_key(gate, app):
    sent = await ask(gate, kind="websocket")
    assert sent[0]["reason"] == "invalid_api_key"
    assert not app.seen
