"""The chat path: plan, execute, answer."""
