"""Agreement with the baseline: what the Codex CLI's own state runtime does, retold, one group of behaviour a file.

Each test says in its docstring which behaviour of the baseline it pins, and where ours differs on purpose.
"""
