"""Streams and videos, decoded by FFmpeg in a process of its own: both sides of it."""
