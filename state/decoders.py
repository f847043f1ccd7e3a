"""Makes msgspec's decoders, one after the other.

msgspec keeps what it knows of a class with the class, and puts it there before it is complete. A second thread that
makes a decoder for the same class meanwhile gets one that reads from a null pointer. Modules are imported in pool
threads here, so whatever has a class to decode into is made below one lock; what was made may be used by any thread.
"""

import threading
from typing import Any, TypeVar, overload

import msgspec

ShapeT = TypeVar("ShapeT")

_one_at_a_time = threading.RLock()


@overload
def json_decoder(shape: type[ShapeT], *, strict: bool = True) -> msgspec.json.Decoder[ShapeT]: ...


@overload
def json_decoder(shape: Any, *, strict: bool = True) -> msgspec.json.Decoder[Any]: ...


def json_decoder(shape: Any, *, strict: bool = True) -> msgspec.json.Decoder[Any]:
    """A decoder of JSON for values of this type. Safe in any thread; asking again makes another."""
    with _one_at_a_time:
        return msgspec.json.Decoder(shape, strict=strict)
