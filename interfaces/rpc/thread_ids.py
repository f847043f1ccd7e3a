"""Thread ids as clients write them, and why one is none, in the words of the library that the original uses.

Accepted: hyphenated, bare, in braces, with `urn:uuid:` before it; in either case of letters.
"""

from interfaces.rpc.errors import RpcError
from state.ids import ThreadId
from state.rollouts import thread_id_of

_HEX = frozenset("0123456789abcdefABCDEF")
_GROUP_STARTS = (0, 9, 14, 19, 24)
_GROUP_LENGTHS = (8, 4, 4, 4, 12)
_URN = "urn:uuid:"


def thread_id(text: str, *, what: str = "thread id", code: int | None = None) -> ThreadId:
    """The canonical form of an id.

    Args:
      what: how the sentence calls it; some methods say "session id".

    Raises:
      RpcError: it is no id.
    """
    bare = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    found = thread_id_of(bare)
    if found is not None:
        return found
    message = f"invalid {what}: {why_no_uuid(text)}"
    raise RpcError(message) if code is None else RpcError(message, code)


def why_no_uuid(text: str) -> str:
    """Say what is wrong with a text that should have been a UUID. Positions count bytes, from 1."""
    body, offset, is_simple = text, 0, True
    if len(text) >= 2 and text.startswith("{") and text.endswith("}"):
        body, offset, is_simple = text[1:-1], 1, False
    elif text.startswith(_URN):
        body, offset, is_simple = text.removeprefix(_URN), len(_URN), False
    position = 0
    hyphens: list[int] = []
    for character in body:
        if character == "-":
            hyphens.append(position)
        elif character not in _HEX:
            return (
                "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found"
                f" `{character}` at {position + offset + 1}"
            )
        position += len(character.encode("utf-8", "surrogatepass"))
    if not hyphens and is_simple:
        return f"invalid length: expected length 32 for simple format, found {len(text)}"
    if len(hyphens) != len(_GROUP_STARTS) - 1:
        return f"invalid group count: expected {len(_GROUP_STARTS)}, found {len(hyphens) + 1}"
    for group, hyphen in enumerate(hyphens):
        if hyphen != _GROUP_STARTS[group + 1] - 1:
            found = hyphen - _GROUP_STARTS[group]
            return f"invalid group length in group {group}: expected {_GROUP_LENGTHS[group]}, found {found}"
    found = len(text) - _GROUP_STARTS[-1]
    return f"invalid group length in group {len(hyphens)}: expected {_GROUP_LENGTHS[-1]}, found {found}"
