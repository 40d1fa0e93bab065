"""Routing policies by name."""

from __future__ import annotations

from llmlab.cluster.routing.base import RoutingPolicy
from llmlab.cluster.routing.round_robin import RoundRobin
from llmlab.errors import ConfigurationError

_POLICIES: dict[str, type[RoutingPolicy]] = {"round_robin": RoundRobin}


def routing_policy(name: str) -> RoutingPolicy:
    """Return a new policy.

    Raises:
        ConfigurationError: There is no policy of that name.
    """
    if name not in _POLICIES:
        raise ConfigurationError(
            f"routing = {name!r}: there is no such policy; use one of {', '.join(_POLICIES)}."
        )
    return _POLICIES[name]()
