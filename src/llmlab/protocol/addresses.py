"""Where a server of the lab listens, under which names it may be called, and how it is reached."""

from __future__ import annotations

import errno
import socket

from llmlab.errors import ConfigurationError
from llmlab.settings import Settings

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised, and only then bound to
_QUEUE = 2048

_REASONS = {
    errno.EADDRINUSE: "another program uses it; choose another port, or 0 for a free one",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 need special rights; choose a higher one",
}


def listen(settings: Settings, port: int) -> socket.socket:
    """Return a socket that listens, so that clients queue from now on.

    Args:
        settings: ``host`` and ``lan`` say where.
        port: The port; 0 for a free one.

    Raises:
        ConfigurationError: The address cannot be used; the message says why.
    """
    host = "0.0.0.0" if settings.lan else settings.host  # noqa: S104 - asked for by the user
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_QUEUE)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reason = _REASONS.get(error.errno or 0, str(error))
        raise ConfigurationError(f"Cannot listen on {host} port {port}: {reason}.") from error
    return listener


def own_url(settings: Settings, listener: socket.socket) -> str:
    """Return the address under which others reach a listening socket."""
    return url_at(settings, listener.getsockname()[1])


def url_at(settings: Settings, port: int) -> str:
    """Return the address under which others reach a port of this machine."""
    host = reachable_host(settings)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reachable_host(settings: Settings) -> str:
    """Return the host under which others reach this machine: loopback unless it was opened."""
    if settings.lan or settings.host in _EVERYWHERE:
        return lan_address()
    return settings.host


def allowed_names(settings: Settings) -> frozenset[str]:
    """Return the names, beside the loopback ones, that a Host header may have."""
    names = set(settings.allowed_hosts)
    if settings.lan or settings.host in _EVERYWHERE:
        machine = socket.gethostname().lower()
        names |= {machine, f"{machine.partition('.')[0]}.local", *_interface_addresses()}
    elif settings.host not in _LOOPBACK:
        names.add(settings.host)
    return frozenset(f"[{name}]" if ":" in name and "[" not in name else name for name in names)


def lan_address() -> str:
    """Return this machine's address in its network; the loopback one where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Chooses a route and sends nothing; the address is one for documentation (RFC 5737).
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _interface_addresses() -> set[str]:
    import psutil

    families = {socket.AF_INET, socket.AF_INET6}
    return {
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in families
    }
