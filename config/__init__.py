"""Settings and where they come from. Nothing in here knows the rest of memoryd."""

from config.load import ConfigError, load
from config.paths import Paths, resolve
from config.settings import Settings

__all__ = ["ConfigError", "Paths", "Settings", "load", "resolve"]
