"""The doors that people and programs use. They know the store, the settings, and nothing of the workers."""
