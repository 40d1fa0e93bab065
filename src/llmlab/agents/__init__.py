"""The team of agents: what its roles are asked, and what is read from their answers."""
