"""Models on this machine: what is here, what fits, what is loaded."""
