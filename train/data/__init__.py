"""Photos and labels: read, checked, divided."""
