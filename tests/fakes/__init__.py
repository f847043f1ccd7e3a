"""Stand-ins, each named after what it replaces."""
