"""What printed codes say while the agent runs: which rack a camera looks at, and what cartons are."""
