"""Who may call a worker: the lab's nodes with their secret, its owner with the key."""

from __future__ import annotations

from llmlab.files import load_or_create_secret
from llmlab.log import hide
from llmlab.protocol.access import App, Gate, KeyRing
from llmlab.protocol.addresses import allowed_names
from llmlab.settings import Settings

NODE_TENANT = "node"
OWNER_TENANT = "owner"


def node_secret(settings: Settings) -> str:
    """Return the secret that the lab's nodes show each other; made on first use."""
    return settings.node_secret or load_or_create_secret(
        settings.home_folder / "node-secret", "node"
    )


def api_key(settings: Settings) -> str:
    """Return the key of the lab's owner; made on first use."""
    return settings.api_key or load_or_create_secret(settings.home_folder / "key", "lab")


def gate(app: App, settings: Settings) -> Gate:
    """Return the gate in front of a worker; only ``/health`` is public."""
    keys = {node_secret(settings): NODE_TENANT, api_key(settings): OWNER_TENANT}
    for key in keys:
        hide(key)
    return Gate(
        app,
        KeyRing(keys),
        hosts=allowed_names(settings),
        max_body=int(settings.max_body_mb * 1e6),
    )
