"""The roles of the team."""
