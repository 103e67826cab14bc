"""Setting an agent up: check a configuration, lay out and draw slots."""
