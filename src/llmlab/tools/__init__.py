"""What a plan can use beside models: one tool per file, in a registry."""
