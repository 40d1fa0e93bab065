"""Where servers listen, and what they may be called."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from llmlab.errors import ConfigurationError
from llmlab.protocol.addresses import allowed_names, lan_address, listen, own_url, reachable_host
from llmlab.settings import Settings


def settings(**values: object) -> Settings:
    return Settings.from_dict(values)


def test_listens_on_a_free_port() -> None:
    with closing(listen(settings(), 0)) as listener:
        port = listener.getsockname()[1]
        assert own_url(settings(), listener) == f"http://127.0.0.1:{port}"
        # Without the protocol's name asyncio leaves Nagle's delay on: 40 ms an answer.
        assert listener.proto == socket.IPPROTO_TCP
        with socket.create_connection(("127.0.0.1", port)):
            pass


def test_a_port_in_use_is_said() -> None:
    with (
        closing(listen(settings(), 0)) as listener,
        pytest.raises(ConfigurationError, match="another program uses it"),
    ):
        listen(settings(), listener.getsockname()[1])


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(ConfigurationError, match="no such address"):
        listen(settings(host="192.0.2.1"), 0)


def test_names_are_only_those_that_were_opened() -> None:
    assert allowed_names(settings()) == frozenset()
    assert allowed_names(settings(host="localhost", allowed_hosts=["lab.example"])) == {
        "lab.example"
    }
    assert allowed_names(settings(host="192.0.2.7")) == {"192.0.2.7"}
    assert allowed_names(settings(host="2001:db8::7")) == {"[2001:db8::7]"}
    opened = allowed_names(settings(lan=True))
    assert {socket.gethostname().lower(), "127.0.0.1", lan_address()} <= opened
    assert opened == allowed_names(settings(host="0.0.0.0"))


def test_others_are_told_an_address_that_reaches_here() -> None:
    assert reachable_host(settings()) == "127.0.0.1"
    assert reachable_host(settings(host="192.0.2.7")) == "192.0.2.7"
    assert reachable_host(settings(lan=True)) == lan_address()
