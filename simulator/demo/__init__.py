"""The demo: a broker, the WMS side, a simulated rack and the agent, together for half a minute."""
