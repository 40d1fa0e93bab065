"""The tools that the lab ships."""
