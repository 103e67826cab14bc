"""The `kardus-agent` command: every sub-command with its options."""
