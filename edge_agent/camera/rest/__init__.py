"""Whether something moves in a stream, told by its packets alone (docs/adr/0040-streams-at-rest.md)."""
