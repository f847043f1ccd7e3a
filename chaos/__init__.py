"""Simulate, break, kill, and prove that nothing is lost: what people run, and what the tests use."""
