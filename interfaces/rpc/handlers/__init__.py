"""The answers, one subject a module."""
