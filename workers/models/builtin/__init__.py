"""The built-in model: deterministic, free, without a network. `BuiltinProvider` is what the rest uses."""

from workers.models.builtin.provider import BuiltinProvider

__all__ = ["BuiltinProvider"]
