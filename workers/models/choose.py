"""Which provider a name stands for."""

from workers.models.protocol import Provider


def provider_named(name: str) -> Provider:
    """Build the provider that the configuration or --model names.

    Raises:
      ValueError: there is no such provider; the settings refuse such a name before.
    """
    if name == "builtin":
        # Imported here: what is not needed to be ready is imported later.
        from workers.models.builtin import BuiltinProvider

        return BuiltinProvider()
    raise ValueError(f"there is no model named {name}")
