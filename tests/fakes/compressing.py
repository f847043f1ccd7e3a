"""What Codex does to rollouts that have rested: it compresses them, and turns them back before it appends."""

import os
from pathlib import Path

from state.rollouts.representation import zstd


def compress_rollout(plain: Path) -> Path:
    """Put the compressed form in the place of a plain rollout, with the same time; answer its path."""
    mtime_ns = plain.stat().st_mtime_ns
    compressed = plain.with_name(plain.name + ".zst")
    compressed.write_bytes(zstd.compress(plain.read_bytes()))
    os.utime(compressed, ns=(mtime_ns, mtime_ns))
    plain.unlink()
    return compressed


def restore_rollout(plain: Path, data: bytes) -> None:
    """Put the plain form, which holds `data`, in the place of the compressed one."""
    plain.write_bytes(data)
    plain.with_name(plain.name + ".zst").unlink()
