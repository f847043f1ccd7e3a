"""Word lists as people read them: separated by blanks, several lines long."""


def vocabulary(words: str) -> frozenset[str]:
    """The words of a list, which are lower case."""
    return frozenset(words.split())
