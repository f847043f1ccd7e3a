"""Bytes that are in a file whole, or not at all.

A write takes a part only where the disk is full, and says so when it is asked to take the rest. Nothing here opens a
file or syncs one: whoever does knows what it is for.
"""

import contextlib
import os


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it, in one write where the disk takes it.

    Raises:
      OSError: it could not all be written; a part may be there.
    """
    while data:
        data = data[os.write(descriptor, data) :]


def append_whole_line(descriptor: int, line: bytes, *, sync: bool = False) -> None:
    """Append a line, given with its line feed, to a file that is open for appending and reading.

    A last line that was torn before gets a line feed first, in the same write, so that nothing is merged with it.

    Args:
      sync: have it on the disk, too.

    Raises:
      OSError: it could not be written (or synced); the file is cut back to what it was, if the disk allows it.
    """
    size_bytes = os.fstat(descriptor).st_size
    if size_bytes and os.pread(descriptor, 1, size_bytes - 1) != b"\n":
        line = b"\n" + line
    try:
        write_whole(descriptor, line)
        if sync:
            os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size_bytes)
        raise
