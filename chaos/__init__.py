"""Simulate, break, check: what is done to memoryd on purpose, and what must be true afterwards."""
