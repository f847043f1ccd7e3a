"""Several real processes on one database, each with a failing disk below its store; some are killed meanwhile.

What is acknowledged is written down by each process beside the database. In the end the disk is well, every process
has to go on by itself, and each job's row is held against all that anybody was told of it: nothing acknowledged is
missing, nothing that was refused is there, and what was stored in one request is there whole.
"""

import collections
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import attrs

from chaos.disk.asked_store import AskedStore
from chaos.disk.process import Terms, told_file
from chaos.disk.promises import Remains
from chaos.disk.report import Scene
from chaos.disk.workload import indexing
from chaos.fleet.services import ROOT
from chaos.history import History, Law
from chaos.history_file import moment, read_history
from chaos.job_state import JobEnd, JobState
from chaos.operations import Answer, Moment, Operation
from state.clock import machine_clock
from state.folder import StateFolder
from state.ids import ThreadId

JOBS = 100
KILLS = 3
"""Processes that are killed, each with another one started in its place."""
WELL_AFTER = 0.6
"""The share of all jobs that have ended when the disk is well again."""

SECONDS_MAX = 120.0
POLL_SECONDS = 0.02

_ENDED = "SELECT count(*) FROM extraction_jobs WHERE status IN ('succeeded', 'empty', 'dead')"


@attrs.define
class _Child:
    """A started process. died: after its end, if it was killed."""

    process: "subprocess.Popen[str]"
    record: Path
    died: Moment | None = None
    told: dict[str, Any] = attrs.Factory(dict)

    @property
    def is_at_work(self) -> bool:
        return self.process.poll() is None and self.record.exists() and self.record.stat().st_size > 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.died = moment(machine_clock)


class _Children:
    """The processes of one run."""

    def __init__(self, root: Path, state: StateFolder, seed: int, defect: str) -> None:
        self._root = root
        self._state = state
        self._seed = seed
        self._defect = defect
        self.all: list[_Child] = []

    def start(self) -> None:
        """Start one more."""
        number = len(self.all) + 1
        record = self._root / f"history-{number}"
        terms = Terms(
            state=str(self._state.path), record=str(record), seed=f"{self._seed}/{number}", defect=self._defect
        )
        with open(self._root / f"stderr-{number}", "wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "chaos.disk.process", json.dumps(attrs.asdict(terms))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # logs
                stderr=errors,
                text=True,
                cwd=ROOT,
            )
        self.all.append(_Child(process, record))

    def last_words(self, child: _Child) -> str:
        """The last line that it wrote to stderr."""
        text = (self._root / f"stderr-{self.all.index(child) + 1}").read_text(encoding="utf-8", errors="replace")
        return text.strip().rpartition("\n")[2] or "nothing"

    def end(self) -> None:
        """End those that still live, each by its id."""
        for child in self.all:
            child.process.kill()
            if child.process.stdin is not None:
                with contextlib.suppress(OSError):
                    child.process.stdin.close()
            child.process.wait()


def fail_processes(
    scene: Scene,
    root: Path,
    *,
    seed: int,
    processes: int,
    jobs: int = JOBS,
    kills: int = KILLS,
    defect: str = "",
) -> None:
    """Let processes work on failing disks, kill some, make the disks well, and judge what is left.

    The seed decides the faults and who is killed; what the machine makes of it differs from run to run.

    Args:
      root: an empty folder.
      defect: what is planted in each of them, to see that it is found; see `chaos.disk.process.DEFECTS`.
    """
    began = time.perf_counter()
    state = StateFolder(path=root / "state")
    store = AskedStore(state)
    for requests in indexing(jobs):
        store.ask(requests)
    store.close()
    children = _Children(root, state, seed, defect)
    try:
        for _ in range(processes):
            children.start()
        if _hurt(scene, children, state, random.Random(f"processes {seed}"), jobs, kills):
            _make_well(scene, children)
    finally:
        children.end()
    _take_stock(scene, children)
    _judge(scene, children, state)
    scene.seconds += time.perf_counter() - began


def _hurt(scene: Scene, children: _Children, state: StateFolder, chance: random.Random, jobs: int, kills: int) -> bool:
    """Wait until enough jobs have ended, and kill on the way; answer whether all went as it should."""
    well_at = int(jobs * WELL_AFTER)
    kill_at = sorted(chance.randint(1, well_at - 1) for _ in range(kills))
    give_up_at = time.monotonic() + SECONDS_MAX
    while (ended := _ended(state)) < well_at:
        if time.monotonic() > give_up_at:
            scene.remark(f"after {SECONDS_MAX:.0f} s {ended} of {jobs} jobs have ended; the rest is stuck")
            return False
        for child in children.all:
            if child.died is None and child.process.poll() is not None:
                scene.remark(f"a process ended by itself with {child.process.returncode}: {children.last_words(child)}")
                return False
        at_work = [child for child in children.all if child.is_at_work]
        if kill_at and ended >= kill_at[0] and len(at_work) > 1:
            kill_at.pop(0)
            chance.choice(at_work).kill()
            scene.points += 1
            children.start()
        time.sleep(POLL_SECONDS)
    return True


def _make_well(scene: Scene, children: _Children) -> None:
    """Tell each process that its disk is well, and have it do what is left."""
    living = [child for child in children.all if child.died is None]
    for child in living:
        assert child.process.stdin is not None
        with contextlib.suppress(OSError):
            child.process.stdin.write("well\n")
            child.process.stdin.flush()
    for child in living:
        # Its stdin stays open meanwhile: it dies at the end of that.
        try:
            code = child.process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            scene.remark(f"a process did not come to its end in {SECONDS_MAX:.0f} s: {children.last_words(child)}")
            continue
        if code != 0:
            scene.remark(f"a process ended with {code}: {children.last_words(child)}")
            continue
        child.told = json.loads(told_file(child.record).read_text(encoding="utf-8"))


def _take_stock(scene: Scene, children: _Children) -> None:
    sentences: collections.Counter[str] = collections.Counter()
    for child in children.all:
        told = child.told
        if not told:
            continue
        scene.points += told["struck"]
        scene.acknowledged += told["acknowledged"]
        sentences.update(told["sentences"])
        for sentence in told["refused_when_well"]:
            scene.remark(f"a process with a disk that is well again was told: {sentence}")
        if not told["when_well"]:
            scene.remark("a process did not go on when its disk was well again")
    scene.sentences.update(sentences)


def _ended(state: StateFolder) -> int:
    for (ended,) in _rows(state, _ENDED):
        assert isinstance(ended, int)
        return ended
    raise AssertionError("unreachable: a count has one row")


def _rows(state: StateFolder, sql: str) -> Iterator[tuple[Any, ...]]:
    connection = apsw.Connection(str(state.database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(10_000)
        yield from connection.execute(sql)
    finally:
        connection.close(True)


def _judge(scene: Scene, children: _Children, state: StateFolder) -> None:
    damage = [str(row[0]) for row in _rows(state, "PRAGMA integrity_check(3)")]
    if damage != ["ok"]:
        scene.found(Remains.CORRUPT, "after it all", detail="; ".join(damage))
        return
    operations = [
        one for child in children.all if child.record.exists() for one in read_history(child.record, child.died)
    ]
    ends = _ends(state)
    history = History(operations=operations, idle_claims=False)
    findings = history.judge({job: (JobState(), end) for job, end in ends.items()})
    found = {finding.job: finding for finding in findings}
    halves = _halves(state)
    for job, end in ends.items():
        if job in halves:
            scene.found(Remains.HALF, str(job), detail=halves[job])
        elif job in found:
            remains = Remains.GHOST if _is_untold(job, end, operations) else Remains.LOST
            scene.found(remains, str(job), detail=f"{found[job].law.value}: {found[job].story[:400]}")
        else:
            scene.found(Remains.KEPT, str(job))
        if end.status not in ("succeeded", "dead") and not scene.remarks:
            scene.remark(f"{job} is {end.status}, and nobody works at it")
    for finding in findings:
        if finding.law is not Law.NO_ORDER and not scene.expects_loss:
            scene.remark(f"{finding.law.value}: {finding.story[:400]}")
    lost = sum(one.answer is Answer.LOST for one in operations)
    scene.unknown += lost
    # Each job's row and all its answers make sense together, whatever became of those that nobody heard.
    scene.resolved += lost if not findings else 0


def _is_untold(job: ThreadId, end: JobEnd, operations: list[Operation]) -> bool:
    """Say whether the memory that is there is one that somebody was told is not."""
    return any(
        one.answer is Answer.WITHDRAWN and getattr(one.request, "token", None) == end.saved for one in operations
    ) and bool(job)


def _ends(state: StateFolder) -> dict[ThreadId, JobEnd]:
    return {
        ThreadId(thread): JobEnd(
            status=status, attempts=attempts, given_back=given_back, fencing_number=number, token=token, saved=saved
        )
        for thread, status, attempts, given_back, number, token, saved in _rows(
            state,
            "SELECT thread_id, j.status, j.attempts, j.given_back, j.fencing_number, j.ownership_token,"
            " substr(m.rollout_summary, 3) FROM extraction_jobs j"
            " LEFT JOIN memories m USING (thread_id, scope_kind, scope_key)",
        )
    }


def _halves(state: StateFolder) -> dict[ThreadId, str]:
    """Jobs of which one request's change is not there whole: its memory, its notes, its end and its scope's mark."""
    rows = _rows(
        state,
        "SELECT thread_id, j.done_input_digest, substr(m.rollout_summary, 3), s.inputs_mark,"
        " (SELECT count(*) FROM memory_notes n WHERE n.thread_id = j.thread_id"
        "   AND n.text = substr(m.rollout_summary, 3) || ' ' || n.line),"
        " (SELECT count(*) FROM memory_notes n WHERE n.thread_id = j.thread_id)"
        " FROM extraction_jobs j LEFT JOIN memories m USING (thread_id, scope_kind, scope_key)"
        " LEFT JOIN scopes s ON (s.scope_kind, s.scope_key) = (j.scope_kind, j.scope_key)",
    )
    halves = {}
    for thread, digest, saved, mark, own_notes, notes in rows:
        whole = (f"input of {saved}", 3, 3) if saved is not None else (None, 0, 0)
        if (digest, own_notes, notes) != whole or (saved is not None and not mark):
            halves[ThreadId(thread)] = (
                f"done with {digest}, memory of {saved}, {own_notes} of {notes} notes, mark {mark}"
            )
    return halves
