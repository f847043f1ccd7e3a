"""How properties are run: no law here is about time, so no example may fail for being slow."""

from hypothesis import settings

settings.register_profile("memoryd", deadline=None)
settings.load_profile("memoryd")
