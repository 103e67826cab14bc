"""Tests of what looks after the agent."""
