"""Realistic bugs, put in one at a time, that the property tests must catch. `python -m tests.mutation` runs them."""
