"""Receives what agents publish and stores each event once."""
