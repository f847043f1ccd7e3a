"""Which user messages no person wrote.

The agent's program speaks to the model in the role of the user too: it tells it where it runs, which instructions a
project has, which skills were loaded. Such a text begins with a tag or heading of its own.
"""

import re

_TAGS = (
    "apps_instructions",
    "collaboration_mode",
    "environment_context",
    "instructions",
    "model_switch",
    "permissions",
    "permissions_instructions",
    "personality_spec",
    "plugins_instructions",
    "realtime_conversation",
    "skills_instructions",
    "subagent_notification",
    "turn_aborted",
    "user_instructions",
    "user_shell_command",
)

_OPENING = re.compile(rf"<(?:{'|'.join(_TAGS)})[ >]", re.IGNORECASE)
_WHOLE = (
    ("# agents.md instructions for ", "</instructions>"),
    ("<skill>", "</skill>"),
)
"""Texts that a person might begin like that too; they must also end like that."""


def is_injected(text: str) -> bool:
    """True when the agent's program wrote this message, and not the person."""
    trimmed = text.strip()
    if _OPENING.match(trimmed) is not None:
        return True
    beginning, end = trimmed[:100].lower(), trimmed[-100:].lower()
    return any(beginning.startswith(opening) and end.endswith(closing) for opening, closing in _WHOLE)
