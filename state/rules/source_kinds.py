"""Kinds of sources, told from a source's class. Sub-agents of two kinds share a class; more text tells them apart."""

from collections.abc import Collection

from state.messages.threads import SourceKind
from state.rules.source_classes import class_of

_WORDS = {
    "cli": SourceKind.CLI,
    "vscode": SourceKind.VSCODE,
    "exec": SourceKind.EXEC,
    "mcp": SourceKind.APP_SERVER,
    '{"subagent":"review"}': SourceKind.SUB_AGENT_REVIEW,
    '{"subagent":"compact"}': SourceKind.SUB_AGENT_COMPACT,
    '{"custom":"atlas"}': SourceKind.NAMED_APP,
    '{"custom":"chatgpt"}': SourceKind.NAMED_APP,
}

_SUB_AGENT = '{"subagent":'
_NESTED_SUB_AGENT = '{"subagent":{'
_BEGINNINGS = {
    SourceKind.SUB_AGENT_THREAD_SPAWN: '{"subagent":{"thread_spawn":',
    SourceKind.SUB_AGENT_OTHER: '{"subagent":{"other":',
}
_OF_NO_KIND = ('{"custom":', '{"internal":')
"""Programs and services that no listing shows which names its kinds."""


def beginnings(source_class: str, kinds: Collection[SourceKind]) -> tuple[str, ...]:
    """With what the sources of a class begin that are of these kinds; ('',) when all of them are, () when none is.

    >>> beginnings("cli", {SourceKind.CLI})
    ('',)
    """
    if source_class.startswith(_SUB_AGENT) and SourceKind.SUB_AGENT in kinds:
        return ("",)
    if source_class == _NESTED_SUB_AGENT:
        return tuple(text for kind, text in _BEGINNINGS.items() if kind in kinds)
    return ("",) if _kind_of_class(source_class) in kinds else ()


def is_of(source: str, kinds: Collection[SourceKind]) -> bool:
    """Say whether a source is of one of these kinds."""
    return source.startswith(beginnings(class_of(source), kinds))


def _kind_of_class(source_class: str) -> SourceKind | None:
    kind = _WORDS.get(source_class)
    if kind is None and not source_class.startswith((_SUB_AGENT, *_OF_NO_KIND)):
        return SourceKind.UNKNOWN
    return kind
