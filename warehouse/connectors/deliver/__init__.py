"""Sends stored events to the systems of people and partners: in order for each location, at least once."""
