"""What changes while somebody looks: read once from the store, and sent to each audience in the same bytes."""
