"""The orchestrated path: analyse, plan, execute, validate."""
