"""The schema that the model is held to, and the reader that does not trust it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.fakes.model_answers import NOTHING, memory
from workers.models.protocol import NoteKind
from workers.models.responses.schema import SCHEMA, Answered, AnsweredNote, read_answer


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object that a schema describes."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)


def test_every_object_requires_each_of_its_properties_and_no_other() -> None:
    found = list(objects(SCHEMA))

    assert len(found) == 2
    for one in found:
        assert one["required"] == list(one["properties"])
        assert one["additionalProperties"] is False


def test_schema_and_reader_name_the_same() -> None:
    outer, inner = objects(SCHEMA)

    assert list(outer["properties"]) == [field.name for field in msgspec.structs.fields(Answered)]
    assert list(inner["properties"]) == [field.name for field in msgspec.structs.fields(AnsweredNote)]
    assert inner["properties"]["kind"]["enum"] == [kind.value for kind in NoteKind]


def test_valid_answers_are_read() -> None:
    assert read_answer(NOTHING) == Answered(rollout_summary="", rollout_slug=None, raw_memory="", notes=[])
    assert read_answer(memory(2)).notes[0].kind is NoteKind.PREFERENCE


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "truncated"),
        ("null", "Expected `object`"),
        (memory(2)[:-5], "truncated"),
        (memory(2) + memory(2), "trailing"),
        (memory(2, more=1), "unknown field `more`"),
        (memory(2, raw_memory=None), "raw_memory"),
        (memory(2, notes=[{"kind": "fix", "topic": "t", "text": "t", "line": "2"}]), "notes[0].line"),
        (memory(2, notes=[{"kind": "fix", "topic": "t", "text": "t", "line": 2.5}]), "notes[0].line"),
        (memory(2, notes=[{"kind": "joke", "topic": "t", "text": "t", "line": 2}]), "Invalid enum value"),
        (memory(2, notes=[{"kind": "fix", "topic": "t", "text": "t"}]), "missing required field `line`"),
        (json.dumps({"rollout_summary": "x"}), "missing required field"),
        ('{"rollout_summary": "\\ud800"}', "truncated"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_anything_else_is_refused_with_the_place(text: str, where: str) -> None:
    with pytest.raises(ValueError, match=re.escape(where)):
        read_answer(text)
