"""One LLM runtime per file, behind one contract."""
