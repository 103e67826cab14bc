"""The MQTT client: a connection, the session that keeps one up, and a client that waits (for commands)."""
