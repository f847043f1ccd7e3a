"""Classes of sources: a source that holds an object in an object names another thread, so few threads share one.

All that begin alike up to the inner object are of one class; any other source is a class by itself. The column
`threads.source_class` says the same, by the same text.
"""

_MORE = "\u2026"


def class_of(source: str) -> str:
    """The class of a source.

    >>> class_of('{"subagent":{"thread_spawn":{"depth":1}}}')
    '{"subagent":{'
    >>> class_of("cli")
    'cli'
    """
    inner = source.find("{", 1) if source.startswith("{") else -1
    return source if inner < 0 else source[: inner + 1]


def why_not_chosen(source: str) -> str:
    """Why a job waits whose thread is of a source that is not to be extracted; one sentence a class."""
    found = class_of(source)
    return f"source {found if found == source else found + _MORE} is not chosen"


def sql_why_not_chosen(column: str) -> str:
    """The same, as SQL."""
    inner = f"instr(substr({column}, 2), '{{')"
    return (
        f"'source ' || CASE WHEN substr({column}, 1, 1) = '{{' AND {inner} > 0 AND 1 + {inner} < length({column})"
        f" THEN substr({column}, 1, 1 + {inner}) || '{_MORE}' ELSE {column} END || ' is not chosen'"
    )
