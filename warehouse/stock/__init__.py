"""Expected stock, from the WMS's own list to the agents."""
