"""Reading many rollouts at once: in this process, and in a few others beside it."""
