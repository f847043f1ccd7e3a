"""Parameters mean what the Codex app-server takes them to mean, and are refused in its words."""

from typing import Any

import attrs
import pytest

from interfaces.rpc.errors import INVALID_REQUEST, RpcError
from interfaces.rpc.numbers import MapNumber
from interfaces.rpc.shapes import (
    ABSENT,
    anything,
    boolean,
    decode,
    member,
    member_or,
    nullable,
    sequence,
    text,
    u32,
    untagged,
    variant,
)


@attrs.frozen(kw_only=True)
class ExampleParams:
    thread_id: str = member(text)
    include_turns: bool = member_or(False, boolean)
    limit: int | None = member_or(None, nullable(u32))
    sort_key: str = member_or("created_at", variant("created_at", "updated_at", "recency_at"))
    sort_direction: str = member_or("desc", variant("asc", "desc"))
    cwd: Any = member_or(None, untagged("CwdFilter", text, sequence(text)))
    providers: tuple[str, ...] = member_or((), sequence(text))
    patch: Any = member_or(ABSENT, anything)


def refused(params: Any) -> str:
    with pytest.raises(RpcError) as refusal:
        decode(ExampleParams, params)
    assert refusal.value.code == INVALID_REQUEST
    return str(refusal.value).removeprefix("Invalid request: ")


def test_members_are_camel_case_on_the_line_and_unknown_ones_are_ignored() -> None:
    decoded = decode(ExampleParams, {"threadId": "a", "includeTurns": True, "bogus": 1})
    assert (decoded.thread_id, decoded.include_turns, decoded.limit) == ("a", True, None)


def test_null_and_absent_are_told_apart() -> None:
    assert decode(ExampleParams, {"threadId": "a"}).patch is ABSENT
    assert decode(ExampleParams, {"threadId": "a", "patch": None}).patch is None


def test_a_word_may_be_a_map_to_nothing() -> None:
    assert decode(ExampleParams, {"threadId": "a", "sortKey": {"updated_at": None}}).sort_key == "updated_at"
    assert decode(ExampleParams, {"threadId": "a", "sortKey": {"updated_at": {}}}).sort_key == "updated_at"


def test_a_list_gives_the_members_in_their_order() -> None:
    assert decode(ExampleParams, ["a", True]).include_turns is True
    assert decode(ExampleParams, ["a"]).include_turns is False


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (None, "missing field `params`"),
        ({}, "missing field `threadId`"),
        ([], "invalid length 0, expected struct ExampleParams with 8 elements"),
        ("x", 'invalid type: string "x", expected struct ExampleParams'),
        (5, "invalid type: integer `5`, expected struct ExampleParams"),
        ({"threadId": None}, "invalid type: null, expected a string"),
        ({"threadId": [1]}, "invalid type: sequence, expected a string"),
        ({"threadId": {}}, "invalid type: map, expected a string"),
        ({"threadId": 1.5}, "invalid type: floating point `1.5`, expected a string"),
        ({"threadId": True}, "invalid type: boolean `true`, expected a string"),
        ({"threadId": "a", "includeTurns": None}, "invalid type: null, expected a boolean"),
        ({"threadId": "a", "limit": -1}, "invalid value: integer `-1`, expected u32"),
        ({"threadId": "a", "limit": 2**32}, "invalid value: integer `4294967296`, expected u32"),
        ({"threadId": "a", "limit": True}, "invalid type: boolean `true`, expected u32"),
        ({"threadId": "a", "limit": "x"}, 'invalid type: string "x", expected u32'),
        ({"threadId": "a", "limit": 1.5}, "invalid type: floating point `1.5`, expected u32"),
        (
            {"threadId": "a", "sortKey": "nope"},
            "unknown variant `nope`, expected one of `created_at`, `updated_at`, `recency_at`",
        ),
        ({"threadId": "a", "sortKey": 5}, "invalid type: integer `5`, expected string or map"),
        ({"threadId": "a", "sortKey": {}}, "invalid value: map, expected map with a single key"),
        ({"threadId": "a", "sortKey": {"a": 1, "b": 2}}, "invalid value: map, expected map with a single key"),
        ({"threadId": "a", "sortKey": {"created_at": 1}}, "invalid type: integer `1`, expected unit"),
        ({"threadId": "a", "sortDirection": {"up": None}}, "unknown variant `up`, expected `asc` or `desc`"),
        (
            {"threadId": "a", "sortDirection": MapNumber(100.0)},
            "unknown variant `$serde_json::private::Number`, expected `asc` or `desc`",
        ),
        ({"threadId": MapNumber(100.0)}, "invalid type: map, expected a string"),
        ({"threadId": "a", "limit": 2**128}, "invalid type: map, expected u32"),
        ({"bogus": [2**64]}, "invalid type: integer `18446744073709551616` as u128, expected any value"),
        (MapNumber(100.0), "missing field `threadId`"),
        ({"threadId": "a", "sortDirection": "up"}, "unknown variant `up`, expected `asc` or `desc`"),
        ({"threadId": "a", "cwd": [5]}, "data did not match any variant of untagged enum CwdFilter"),
        ({"threadId": "a", "providers": "x"}, 'invalid type: string "x", expected a sequence'),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_original(params: Any, reason: str) -> None:
    assert refused(params) == reason


def test_the_first_wrong_member_is_named_before_a_missing_one() -> None:
    assert refused({"limit": "x"}) == 'invalid type: string "x", expected u32'
