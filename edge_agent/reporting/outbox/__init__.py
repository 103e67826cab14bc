"""What was decided is on disk before anything is sent, and stays there until it is somebody else's to keep."""
