"""Measures lab-mini through the real engine, by kind, on held-out and hand-written prompts."""
