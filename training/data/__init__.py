"""Generates lab-mini's training data, one module per ability, from a seed."""
