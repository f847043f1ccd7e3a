"""The varieties of threads that the tests look at, and what is known of them beforehand.

The rule: what a variety is about is what its name says, and nothing else is unusual about it.
"""

from collections.abc import Mapping
from enum import StrEnum


class Variety(StrEnum):
    """Which thread of the genuine home. Test ids are made of these words."""

    PLAIN = "plain"
    """One prompt, one answer."""
    COMMANDS = "commands"
    """A command that fails, one that finds out why, and one that works, in a folder of their own."""
    PATCHED = "patched"
    """A file added, then changed, through apply_patch, in a writable workspace."""
    GIT = "git"
    """In a repository with a branch, a commit and an origin."""
    RESUMED = "resumed"
    """Three turns by three processes."""
    FORKED = "forked"
    """Begins where RESUMED ended, and has a turn of its own."""
    ARCHIVED = "archived"
    UNICODE = "unicode"
    """A prompt with many scripts, line separators, quotes and control characters."""
    LONG_PROMPT = "long-prompt"
    LONG_REPLY = "long-reply"
    SLOW = "slow"
    """The model thinks for longer than a second."""
    FULL_ACCESS = "full-access"
    """No sandbox, and an explicit reasoning effort."""
    MEMORY_OFF = "memory-off"
    """Its user had switched memories off, and says something that would otherwise be remembered."""
    FAILED = "failed"
    """The model server refuses the turn."""
    KILLED = "killed"
    """The process got SIGKILL in the middle of the turn."""
    INTERRUPTED = "interrupted"
    """The person stopped the turn while the model was thinking."""
    APP_SERVER_NAMED = "app-server-named"
    """Paginated, two turns, made by a program, and given a name."""
    IMAGE_ONLY = "image-only"
    """The first prompt is an image without a word."""
    DYNAMIC_TOOL = "dynamic-tool"
    """The client brought a tool along."""
    PARENT = "parent"
    """Has started SUB_AGENT."""
    SUB_AGENT = "sub-agent"
    LEGACY = "legacy"
    """The older line format, two turns with a command."""
    LEGACY_EDITED = "legacy-edited"
    """The older format; a name, and a branch that was set by hand afterwards."""
    LEGACY_FORKED = "legacy-forked"
    """The older format's fork, which copies the lines of LEGACY and adds no turn."""
    LEGACY_FORKED_TURN = "legacy-forked-turn"
    """The same, with a turn of its own, and forked itself."""
    LEGACY_FORKED_TWICE = "legacy-forked-twice"
    """Forked from LEGACY_FORKED_TURN, with a turn of its own."""
    PAGINATED_FORKED = "paginated-forked"
    """A fork that copies nothing, made by a program, with a turn of its own."""
    CONTEXT_PARENT = "context-parent"
    """Has started CONTEXT_CHILD."""
    CONTEXT_CHILD = "context-child"
    """A sub-agent that was given all that its parent had seen."""
    RENAMED = "renamed"
    """Named, and named again."""
    NAMED_FORK = "named-fork"
    """The fork of a named thread, with a name of its own."""
    COMPRESSED = "compressed"
    """Its rollout was compressed afterwards, as Codex does with old ones."""
    BOTH_FORMS = "both-forms"
    """Its rollout is there plain, and compressed with less in it."""
    LOCAL_TIME = "local-time"
    """Recorded west of Greenwich: the stamp of the file's name is hours behind."""


NAMES: Mapping[Variety, str] = {
    Variety.APP_SERVER_NAMED: "The asking program",
    Variety.LEGACY_EDITED: "Edited by hand",
    Variety.RENAMED: "The second name",
    Variety.NAMED_FORK: "Forked, with a name",
}
"""The names that threads were given."""
