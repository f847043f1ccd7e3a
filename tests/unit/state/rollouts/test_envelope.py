"""A line's kind is the same whether its first bytes tell it or its decoding does."""

import json

import msgspec
import pytest

from state.rollouts.envelope import (
    REPAIR_BYTES_MAX,
    compact,
    decode_line,
    decoded_kind,
    is_whole_object,
    usual_kind,
    usual_stamp,
)
from tests.unit.state.rollouts.transcript import completed, event, line, message, response, session_meta, stamp

decode_any = msgspec.json.Decoder(dict[str, object]).decode


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (session_meta(), b"session_meta"),
        (line("turn_context", {"turn_id": "t"}), b"turn_context"),
        (line("world_state", {"type": "x"}), b"world_state"),
        (event("token_count"), b"event_msg/token_count"),
        (line("event_msg", {"type": "token_count"}, ordinal=12), b"event_msg/token_count"),
        (response("reasoning"), b"response_item/reasoning"),
        (message("user", "hello"), b"response_item/message/user"),
        (message("developer", '"role":"user"'), b"response_item/message/developer"),
        (
            response("message", id="m1", status="completed", role="assistant", content=[]),
            b"response_item/message/assistant",
        ),
        (completed("UserMessage", content=[]), b"event_msg/item_completed/UserMessage"),
        (completed("FileChange", id="c1"), b"event_msg/item_completed/FileChange"),
    ],
)
def test_kind_is_told_by_the_first_bytes_and_by_decoding(text: bytes, kind: bytes) -> None:
    assert usual_kind(text) == kind
    assert decoded_kind(text) == (kind, stamp(0))
    assert usual_stamp(text, 0) == stamp(0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'{"payload":{"type":"token_count"},"type":"event_msg"}', b"event_msg/token_count"),
        (b'{"type":"event_msg","timestamp":"t","payload":{"type":"token_count"}}', b"event_msg/token_count"),
        (
            b'{"timestamp":"t","type":"event_msg","payload":{"info":null,"type":"token_count"}}',
            b"event_msg/token_count",
        ),
        (
            b'{"timestamp":"t","type":"response_item","payload":{"role":"user","type":"message"}}',
            b"response_item/message/user",
        ),
        (b' {"timestamp":"t","type":"turn_context","payload":{}}\r', b"turn_context"),
        (b'{"type":"event_msg","payload":null}', b"event_msg"),
        (b'{"type":"event_msg","payload":{"type":7}}', b"event_msg"),
        (b'{"type":"event_msg","payload":{"type":"item_completed","item":null}}', b"event_msg/item_completed"),
        (b'{"type":"response_item","payload":{"type":"message"}}', b"response_item/message"),
        (b'{"type":""}', b""),
        ('{"type":"żółć"}'.encode(), "żółć".encode()),
    ],
)
def test_kind_of_another_shape_is_told_by_decoding(text: bytes, kind: bytes) -> None:
    assert usual_kind(text) is None
    assert decoded_kind(text)[0] == kind


def test_role_far_behind_is_left_to_decoding() -> None:
    text = response("message", content=[{"type": "input_text", "text": "x" * 1_000}], role="user")

    assert usual_kind(text) is None
    assert decoded_kind(text)[0] == b"response_item/message/user"


@pytest.mark.parametrize("written", ["7", "null", "[]", '""'])
def test_stamp_that_is_no_text_is_empty(written: str) -> None:
    assert decoded_kind(b'{"timestamp":%b,"type":"turn_context"}' % written.encode())[1] == ""


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not JSON",
        b"null",
        b"42",
        b'["a"]',
        b"{}",
        b'{"type":7}',
        b'{"type":"event_msg"',
        b'{"type":"\xff"}',
        b"[" * 100_000,
        b'{"type":"a","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"a","n":' + b"9" * 10_000,
    ],
)
def test_what_is_no_line_has_no_kind(text: bytes) -> None:
    def decode() -> object:
        try:
            return decoded_kind(text)
        except ValueError:
            return "refused"

    assert usual_kind(text) is None
    assert decode() == "refused"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'{"a":"x\ud83dy"}', "x\ufffdy"),
        (rb'{"a":"\ud83d\ude00"}', "😀"),
        (rb'{"a":"\udc00\ud800"}', "\ufffd\ufffd"),
        (b'{"a":NaN}', None),
        (b'{"a":-Infinity}', None),
        (b'\xef\xbb\xbf{"a":1}', 1),
    ],
)
def test_line_that_is_not_strict_json_is_mended(text: bytes, value: object) -> None:
    assert decode_line(decode_any, text) == {"a": value}


def test_mending_leaves_other_characters_alone() -> None:
    said = 'tab\t "quoted" \\ud800 \x07 \u2028 世界'
    text = json.dumps({"a": said, "b": "?"}).replace('"?"', r'"\ud800"').encode()

    assert decode_line(decode_any, text) == {"a": said, "b": "\ufffd"}


def test_long_line_is_not_mended() -> None:
    padding = b" " * REPAIR_BYTES_MAX
    with pytest.raises(ValueError, match="too long"):
        decode_line(decode_any, b'{"a":NaN}' + padding)


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        (b'{"a":{"b":[1,2]}}', True),
        (b'{"a":1}\r', True),
        (rb'{"a":"\ud800"}', True),
        (b'{"a":1', False),
        (b'{"a":{"b":[1,2}}', False),
        (b'{"a":1}{"b":2}', False),
        (b"17", False),
        (b"[]", False),
        (b"", False),
    ],
)
def test_whole_object_has_nothing_missing_and_nothing_behind(text: bytes, is_whole: bool) -> None:
    assert is_whole_object(text) == is_whole


def test_compact_keeps_numbers_and_keys_as_written() -> None:
    assert compact(msgspec.Raw(b'{ "b" : [1.50, 2e5 ,"x y"],\n"a":null }')) == '{"b":[1.50,2e5,"x y"],"a":null}'
