"""What was decided is on disk before anything is sent, and stays there until the broker, or the WMS, has stored it."""
