"""Proofs: tests that mirror the rooms, and the scripts that made every figure in the documentation."""
