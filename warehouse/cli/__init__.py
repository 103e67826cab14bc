"""The `kardus-wms` command: every sub-command with its options; the work is done in the rooms beside it.

What one command alone needs is imported by that command, so that the others start sooner.
"""
