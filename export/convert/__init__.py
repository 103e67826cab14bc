"""A portable bundle in the formats of other runtimes."""
