"""The response cache: keys, and answers by key."""
