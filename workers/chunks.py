"""Rollouts in chunks: each is read in one go by a pool thread, and dealt with in one message."""

from collections.abc import Iterator, Sequence

from state.rollouts import FoundRollout


def chunks(files: Sequence[FoundRollout], *, files_max: int, bytes_max: int) -> Iterator[list[FoundRollout]]:
    """Cut files, in order, into chunks of at most `files_max` files and about `bytes_max` bytes.

    A file that is larger than that is a chunk by itself.
    """
    chunk: list[FoundRollout] = []
    size_bytes = 0
    for file in files:
        if chunk and (len(chunk) == files_max or size_bytes + file.size_bytes > bytes_max):
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(file)
        size_bytes += file.size_bytes
    if chunk:
        yield chunk
