"""Cameras: every kind of source behind one interface (`edge_agent.camera.source`)."""
