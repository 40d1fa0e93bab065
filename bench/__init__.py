"""Benchmarks of the lab: each is one command, and its figures are ratios of one run."""
