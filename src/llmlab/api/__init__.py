"""The only home of the coordinator's HTTP."""
