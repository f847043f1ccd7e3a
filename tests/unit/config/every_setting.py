"""Every setting by the name of its section and its key, for laws that hold for all of them."""

import attrs

from config import Settings


def class_of(section: str) -> type[attrs.AttrsInstance]:
    """The class that holds a section's settings."""
    return type(getattr(Settings(), section))


KEYS = [(section.name, key.name) for section in attrs.fields(Settings) for key in attrs.fields(class_of(section.name))]
