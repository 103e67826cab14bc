"""How the agent is: metrics, a local page for probes, and the service manager's watchdog."""
