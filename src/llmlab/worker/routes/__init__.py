"""The worker's routes: one noun per file, each a function from a worker to a router."""
