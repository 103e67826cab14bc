"""A revision a file."""
