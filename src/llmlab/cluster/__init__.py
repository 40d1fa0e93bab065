"""Nodes, routing, and the one door to inference."""
