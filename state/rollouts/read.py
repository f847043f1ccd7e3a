"""One pass over a rollout file: open it, go on where the last pass stopped if that is still true, fold what is new.

A pass reads up to the size that `fstat` showed when it began; what is appended meanwhile is the next pass's. It goes
on from a checkpoint only if the bytes before it still have the digests that the checkpoint carries, at the beginning
and right before the place; else the file was truncated or rewritten, and is folded from its start. So is a compressed
file; its checkpoint is about the text, and holds for the plain file that it may become again.
"""

from pathlib import Path

from state.rollouts.envelope import is_whole_object
from state.rollouts.filename import rollout_name
from state.rollouts.fold import Fold
from state.rollouts.fold_state import FoldState, Redact, redacted, state_from_bytes, state_to_bytes, thread_facts
from state.rollouts.lines import LINE_BYTES_MAX, LineRun, LoneLine
from state.rollouts.model import Checkpoint, FoundRollout, RolloutReading
from state.rollouts.representation import CompressedRollout, PlainRollout, open_rollout

TORN = "last line is torn"


def read_rollout(
    codex_home: Path, found: FoundRollout, previous: Checkpoint | None, *, redact: Redact
) -> RolloutReading:
    """Fold what a rollout has to say since `previous`, or from its start.

    A last line without a line feed is taken in if it is a whole JSON object: its writer ended it, or was killed
    between the two. Otherwise it is left for the next pass, and the remark says so.

    Returns:
      The reading; `bytes_read` counts the text that was folded, not the few kilobytes of proof. `facts` is None, and
      `refusal` says why, when the file holds no thread (yet); its checkpoint is as good as any other.

    Raises:
      OSError: the file could not be opened or read; `state.rollouts.regular.plain_reason` has the words.
    """
    path = f"{codex_home}/{found.path}"  # a text: pathlib would cost as much as folding a short file
    with open_rollout(path) as file:
        continued = _continued(file, previous)
        start, fold = continued if continued is not None else (0, Fold(FoldState()))
        offset = reached = start
        is_torn = False
        for lines in file.lines(start):
            reached = lines.end
            if isinstance(lines, LineRun):
                fold.take(lines.lines)
            elif not lines.is_terminated and not _is_whole(lines):
                is_torn = True
                break
            elif lines.is_oversized:
                fold.take_oversized(lines.text, lines.length_bytes)
            else:
                fold.take(lines.text + b"\n")
            offset = reached
        head_digest, tail_digest = file.proof(offset)
    state = redacted(fold.state, redact)
    name = rollout_name(found.path.rpartition("/")[2])
    facts = thread_facts(state, name) if state.lines_understood else None
    return RolloutReading(
        facts=facts,
        refusal=_refusal(path, state, is_torn, file.damage) if facts is None else None,
        remark=_remark(state, is_torn, file.damage),
        checkpoint=Checkpoint(
            offset_bytes=offset, head_digest=head_digest, tail_digest=tail_digest, fold=state_to_bytes(state)
        ),
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        continued=start > 0,
        bytes_read=reached - start,
        lines_skipped=state.lines_skipped,
    )


def _continued(file: PlainRollout | CompressedRollout, previous: Checkpoint | None) -> tuple[int, Fold] | None:
    """Where and with what to go on; None when there is no checkpoint, or it is not one of this file any more."""
    if previous is None or not file.holds(previous.offset_bytes, (previous.head_digest, previous.tail_digest)):
        return None
    state = state_from_bytes(previous.fold)
    return None if state is None else (previous.offset_bytes, Fold(state))


def _is_whole(line: LoneLine) -> bool:
    return not line.is_oversized and (line.text.isspace() or is_whole_object(line.text))


def _refusal(path: str, state: FoldState, is_torn: bool, damage: str | None) -> str:
    if damage is not None:
        return f"{damage}: {path}"
    if state.lines_understood:
        return f"rollout missing metadata builder: {path}"
    if state.lines_skipped or is_torn:
        return f"no JSON line in session file: {path}"
    return f"empty session file: {path}"


def _remark(state: FoldState, is_torn: bool, damage: str | None) -> str | None:
    """What a person should know although the file was read."""
    counted = [
        (state.lines_not_utf8, "not UTF-8"),
        (state.lines_malformed, "not understood"),
        (state.lines_oversized, f"longer than {LINE_BYTES_MAX >> 20} MiB"),
    ]
    remarks = [f"{count} {'line is' if count == 1 else 'lines are'} {what}" for count, what in counted if count]
    if damage is not None:
        remarks.append(damage)  # which tore the last line, if it is torn
    elif is_torn:
        remarks.append(TORN)
    return "; ".join(remarks) or None
