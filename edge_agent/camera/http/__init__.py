"""Cameras that are asked over HTTP: logins, answers as cameras really give them, snapshots."""
