"""Lets the agent's own line look at a recording again, under one configuration or two."""
