"""Runs: the durable engine and the graphs that drive it."""
