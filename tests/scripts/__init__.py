"""Scripts behind the figures of docs/results.md; each runs the project's own commands."""
