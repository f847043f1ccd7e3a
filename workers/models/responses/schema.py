"""The one form an answer may have: as the JSON schema that the model is held to, and as what is read back, strictly.

A server that does not enforce the schema is found out here: an unknown key, a missing one or another type is a wrong
answer.
"""

from typing import Any

import msgspec

from state.decoders import json_decoder
from workers.models.protocol import NoteKind

NAME = "session_memory"


class AnsweredNote(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One note as the model writes it, before anybody has looked whether its line was shown."""

    kind: NoteKind
    topic: str
    text: str
    line: int


class Answered(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the model writes."""

    rollout_summary: str
    rollout_slug: str | None
    raw_memory: str
    notes: list[AnsweredNote]


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string"}

SCHEMA: dict[str, Any] = _object(
    rollout_summary=TEXT,
    rollout_slug={"type": ["string", "null"]},
    raw_memory=TEXT,
    notes={
        "type": "array",
        "items": _object(
            kind={"type": "string", "enum": [kind.value for kind in NoteKind]},
            topic=TEXT,
            text=TEXT,
            line={"type": "integer"},
        ),
    },
)
"""In the subset that strict mode takes: every property required, nothing additional, no bounds."""

_decoder = json_decoder(Answered, strict=True)


def read_answer(text: str) -> Answered:
    """Read what the model wrote.

    Raises:
      ValueError: it is not what the schema says; the message says where.
    """
    try:
        return _decoder.decode(text.encode("utf-8"))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None
