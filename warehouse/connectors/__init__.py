"""Connections to other systems: their stock is read, and stored events are sent to them in their own formats."""
