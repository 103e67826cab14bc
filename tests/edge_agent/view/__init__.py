"""Tests of the view guard."""
