"""What kind of line this is, learned from its first bytes; and how a line is decoded when something needs it.

A kind is written as a path: `session_meta`, `event_msg/token_count`, `response_item/message/user`,
`event_msg/item_completed/CommandExecution`. Most lines are never decoded: their kind is all that is asked of them.
Writers put the keys in one order, with and without `ordinal`, so a pattern over the first bytes finds the kind. A line
in any other shape is decoded as an open envelope, so that the order of its keys does not matter.

A quotation mark inside a JSON string is always escaped. That is why `"role":"` in the bytes is a key, never text.
"""

import json
import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from state.decoders import json_decoder

T = TypeVar("T")

USUAL_SHAPE = re.compile(
    rb'\{"timestamp":"[^"]*+",(?:"ordinal":[0-9]++,)?+'
    rb'"type":"((?:event_msg|response_item)","payload":\{"type":"[^"]++|[^"]++)"'
).match
"""Matches the beginning of a line in its writer's usual shape. Its one group is the line's kind *as written* there:
the two types with what stands between them. Nothing in it is worth trying in another way, so nothing is (`++`)."""

_STAMP_BEGIN = len(b'{"timestamp":"')
_BETWEEN_TYPES = b'","payload":{"type":"'

_TYPED = (b"event_msg", b"response_item")
"""Envelopes whose payload has a type of its own."""

DETAIL_KEYS = {
    b"response_item/message": b'"role":"',
    b"event_msg/item_completed": b'"item":{"type":"',
}
"""Kinds whose payload has a detail that tells them apart, and the key that it stands behind."""

DETAIL_WITHIN_BYTES = 400
"""How far behind the payload's type that key is looked for. A few ids stand between the two."""

REPAIR_BYTES_MAX = 1 << 20
"""A longer line that msgspec refuses is given up. The standard library's decoder would build every value of it as an
object, up to a hundred times the size of its text."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def written_kind(kind: bytes) -> bytes:
    """A kind as written in a line of the usual shape; its detail, which stands further on, behind a slash."""
    return kind.replace(b"/", _BETWEEN_TYPES, 1)


WRITTEN_DETAIL_KEYS = {written_kind(kind): key for kind, key in DETAIL_KEYS.items()}

UNFINISHED_KINDS = frozenset((*_TYPED, *WRITTEN_DETAIL_KEYS))
"""Kinds, as written, that are only the beginning of a kind."""


def finished_kind(written: bytes, lines: bytes, begin: int, end: int) -> bytes | None:
    """An unfinished kind with its detail, looked for in lines[begin:end]; None when only decoding can tell."""
    key = WRITTEN_DETAIL_KEYS.get(written)
    if key is None:
        return None  # another key stands before the payload's type
    found = lines.find(key, begin, min(begin + DETAIL_WITHIN_BYTES, end))
    if found < 0:
        return None
    detail = found + len(key)
    return b"%b/%b" % (written, lines[detail : lines.find(b'"', detail, end)])


def usual_kind(text: bytes) -> bytes | None:
    """The kind of a line in its writer's usual shape; None when only decoding can tell.

    Needs the first few hundred bytes of the line, no more, and believes them.
    """
    shape = USUAL_SHAPE(text)
    if shape is None:
        return None
    kind = shape[1]
    if kind in UNFINISHED_KINDS:
        kind = finished_kind(kind, text, shape.end(), len(text))
    return None if kind is None else kind.replace(_BETWEEN_TYPES, b"/", 1)


def usual_stamp(lines: bytes, begin: int) -> str:
    """The time stamp, as written, of the line of the usual shape that begins there."""
    stamp = begin + _STAMP_BEGIN
    return lines[stamp : lines.index(b'"', stamp)].decode(errors="replace")


class _Envelope(msgspec.Struct):
    type: str
    timestamp: msgspec.Raw = msgspec.Raw(b'""')
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Item(msgspec.Struct):
    type: str = ""


class _Payload(msgspec.Struct):
    type: str = ""
    role: str | None = None
    item: _Item | None = None


_decode_envelope = json_decoder(_Envelope).decode
_decode_payload = json_decoder(_Payload).decode
_decode_text = json_decoder(str).decode
_decode_object = json_decoder(dict[str, msgspec.Raw]).decode  # checks the values, without building them


def decoded_kind(text: bytes) -> tuple[bytes, str]:
    """The kind and the time stamp (empty when there is none) of a line in any shape, by decoding it.

    Raises:
      ValueError: the line is not a JSON object with text as its `type`, or nests too deep.
    """
    envelope = decode_line(_decode_envelope, text)
    try:
        stamp = _decode_text(envelope.timestamp)
    except ValueError:
        stamp = ""
    kind = envelope.type.encode()
    if kind not in _TYPED:
        return kind, stamp
    try:
        payload = _decode_payload(envelope.payload)
    except ValueError:
        return kind, stamp  # no object, or one with another idea of these keys: the envelope alone is the kind
    details = [payload.type]
    if payload.type == "message":
        details.append(payload.role or "")
    elif payload.type == "item_completed":
        details.append(payload.item.type if payload.item is not None else "")
    return b"/".join([kind, *(detail.encode() for detail in details if detail)]), stamp


def told_kind(text: bytes) -> tuple[bytes, str]:
    """The kind and the time stamp of a line: believed in the usual shape, else decoded.

    Raises:
      ValueError: as for `decoded_kind`.
    """
    kind = usual_kind(text)
    return decoded_kind(text) if kind is None else (kind, usual_stamp(text, 0))


def decode_line(decode: Callable[[bytes], T], text: bytes) -> T:
    """Decode a line; if it is not strict JSON, once more after mending what the standard library lets pass.

    Those are lone surrogates (they become U+FFFD), NaN and the infinities (they become null), and a byte-order mark.

    Raises:
      ValueError: it is not JSON, not UTF-8 where it is needed, not of the decoder's shape, or nests too deep.
    """
    try:
        return decode(text)
    except msgspec.ValidationError:
        raise
    except (ValueError, RecursionError):
        pass
    try:
        return decode(_mended(text))
    except RecursionError as error:
        raise ValueError("nests too deep") from error


def is_whole_object(text: bytes) -> bool:
    """True when `text` is one complete JSON object, so that nothing of it can still be missing."""
    try:
        decode_line(_decode_object, text)
    except ValueError:
        return False
    return True


def compact(value: msgspec.Raw) -> str:
    """A JSON value as compact text, its keys and numbers as they were written.

    Raises:
      ValueError: it is not UTF-8.
    """
    return bytes(msgspec.json.format(value, indent=-1)).decode()


def _mended(text: bytes) -> bytes:
    if len(text) > REPAIR_BYTES_MAX:
        raise ValueError("too long to be mended")
    value = json.loads(text, parse_constant=lambda _: None)
    return _LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)).encode()
