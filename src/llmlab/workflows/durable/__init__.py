"""Durable runs: committed before they begin, recorded step by step, resumed after a crash.

To resume is to drive the same run again: a step that is recorded answers from its record. A step
that was cut off is done again, so what it does must bear that (at least once); a recorded one
is never done again.
"""
