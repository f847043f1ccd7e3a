"""Simulate, break, check: what is done to memoryd on purpose, and what must be true afterwards.

A feature that people run (`memoryd chaos`) and that the tests use. Nothing but its command imports it.
"""
