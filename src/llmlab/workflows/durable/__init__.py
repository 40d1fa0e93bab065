"""The run engine: records every step before anything depends on it."""
