"""The version of memoryd, from the one place that also names the released wheel."""

from importlib import resources

VERSION = resources.files("config").joinpath("VERSION").read_text(encoding="ascii").strip()
