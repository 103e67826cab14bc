"""Which model judges, and how another one takes its place without a gap."""
