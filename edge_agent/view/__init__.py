"""Whether a camera's picture can be trusted, and by how much the camera has moved."""
