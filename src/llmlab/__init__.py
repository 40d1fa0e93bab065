"""LLM Lab: the machines you own, working as one private AI lab."""
