"""What all services of one run share: machine, disk, model, story, history, ledger; and who lives in it."""

import random
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.goals import Goals
from chaos.laws import ANSWER_LAWS, FILE_LAWS, LAWS, BrokenLaw, Law, judge
from chaos.operations import Moment
from chaos.parts import parts_of, told_of
from chaos.rows import RowReader, Rows
from chaos.simulator.calls import History
from chaos.simulator.clock import Machine
from chaos.simulator.disk import PowerCut, SimulatedDisk
from chaos.simulator.life import Life, unlock
from chaos.simulator.model import MoodyModel
from chaos.simulator.power import cut_power
from chaos.step import Ledger, Step
from chaos.story import Story
from config import Paths, Settings
from config.settings import BackfillSettings, ExtractionSettings, PublishSettings, ServiceSettings
from state.folder import StateFolder
from state.ids import Instant
from state.messages.backfill import BackfillClaimed
from state.messages.base import Request
from state.messages.consolidation import ConsolidationClaimed, ConsolidationPublished
from state.messages.extraction import DeadLettered, ExtractionClaimed
from state.messages.leases import NotOwner
from state.messages.service import LeasesReturned, ReturnLeases
from supervisor import WORKERS, Worker
from workers.extraction import Extraction
from workers.progress import NoProgress

GRACE_SECONDS = 10.0
IDLE_HOURS = 0.003
"""A session may be claimed some ten seconds after its last word."""


Asked = tuple[tuple[Request[Any], Any], ...]
"""Requests that change rows, each with its reply or the error that it ended with."""


class Delays:
    """How long things take, drawn from the seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"delays {seed}")

    def before_batch(self, life: Life) -> float:
        """From a request's arrival to its batch."""
        return 0.0 if life.is_calm or life.is_prompt else life.store_seconds + self._draw(0.002)

    def before_reply(self, life: Life) -> float:
        """From a commit to its replies."""
        return 0.0 if life.is_calm or life.is_prompt else self._draw(0.002)

    def in_thread(self, life: Life) -> float:
        """On either side of a piece of work in a thread."""
        return 0.0 if life.is_calm else self._draw(0.02)

    def _draw(self, usual_seconds: float) -> float:
        factor = 100.0 if self._rng.random() < 0.02 else 1.0
        return self._rng.random() * usual_seconds * factor


class World:
    """One run's world.

    Attributes:
      name_changes: how often a name on the disk was given, taken or moved; a new file in its place is none.
    """

    def __init__(self, root: Path, seed: int, machine: Machine) -> None:
        self.root = root
        self.seed = seed
        self.machine = machine
        self.story = Story(machine.now_ms, hidden=str(root))
        self.goals = Goals()
        self.history = History(self)
        self.delays = Delays(seed)
        self.ledger = Ledger()
        self.model = MoodyModel(random.Random(f"model {seed}"), self.goals)
        self.codex_home = root / "codex"
        self.state_dir = root / "state"
        self.memories_dir = StateFolder(path=self.state_dir).memories_dir
        self.settings = Settings(
            backfill=BackfillSettings(watch=False, rescan_seconds=15.0),
            extraction=ExtractionSettings(min_rollout_idle_hours=IDLE_HOURS),
            publish=PublishSettings(codex=seed % 2 == 1),
            service=ServiceSettings(reaper_seconds=4.0, grace_seconds=GRACE_SECONDS),
        )
        self.workers: tuple[tuple[str, Worker], ...] = tuple(
            (name, self._extraction if name == "extraction" else worker) for name, worker in WORKERS
        )
        self.lives: dict[int, Life] = {}
        self.over = trio.Event()
        self.claimed = trio.Event()
        self.broken: BrokenLaw | None = None
        self.crash: Exception | None = None
        self.steps = self.steps_under_faults = self.commits_judged = 0
        self.active_seconds = 0
        self._second = self._next_second = -1
        self.name_changes = 0
        self._is_disturbed = False
        self.disk: SimulatedDisk
        self.reader: RowReader
        self._rows: Rows
        self._locks: dict[int, Life] = {}
        self._scope_of: dict[str, str] = {}

    @property
    def paths(self) -> Paths:
        return Paths(
            codex_home=self.codex_home,
            state_dir=self.state_dir,
            config_file=self.root / "config.toml",
            config_exists=False,
        )

    async def _extraction(self, handle: Any, paths: Paths, settings: Settings) -> None:
        await Extraction(handle, paths.codex_home, settings, self.model, NoProgress()).run(until_done=False)
        await trio.sleep_forever()

    def service_clock(self) -> Instant:
        """The machine's clocks as services read them."""
        return self.machine.instant()

    # --- what happens ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Look at the database for the first time."""
        self.reader = RowReader(StateFolder(path=self.state_dir).database)
        self._rows = self.reader.read()

    def on_step(self, life: Life) -> None:
        """A service did something."""
        if life.is_calm:
            return
        now = self.machine.clock.current_time()
        if now >= self._next_second:
            # Faults come and go in their own time; a second is near enough to count steps by.
            self._second, self._is_disturbed = int(now), self.is_disturbed()
            self._next_second = self._second + 1
        if self._second != life.active_second:
            life.active_second = self._second
            self.active_seconds += 1
        self.steps += 1
        self.steps_under_faults += self._is_disturbed

    def is_disturbed(self) -> bool:
        """Say whether a fault is at work now."""
        return (
            bool(self.machine.wall_shift_ms)
            or bool(self.model.mood)
            or self.disk.is_disturbed
            or any(
                life.is_dead or life.is_frozen or life.is_disturbed or life.sql_faults for life in self.lives.values()
            )
        )

    @property
    def is_locked(self) -> bool:
        """Somebody is frozen inside a transaction, so that nobody else can write."""
        return any(life.is_frozen and life.in_sqlite for life in self.lives.values())

    def on_answer(self, life: Life, request: Request[Any], reply: Any) -> None:
        """A service was told something; from now on it must be true."""
        if life.is_calm:
            return
        for part, told in zip(parts_of(request), told_of(request, reply), strict=True):
            self._on_answer(life, part, told)

    def _on_answer(self, life: Life, request: Request[Any], reply: Any) -> None:
        ledger = self.ledger
        match reply:
            case BackfillClaimed():
                _raise_to(ledger.fencing_floor, ("backfill", ""), reply.fencing_number)
            case ExtractionClaimed():
                _raise_to(ledger.fencing_floor, ("extraction", reply.thread_id), reply.fencing_number)
            case ConsolidationClaimed():
                scope = f"{reply.scope.kind}:{reply.scope.key}"
                _raise_to(ledger.fencing_floor, ("consolidation", scope), reply.fencing_number)
                self._scope_of[request.terms.token] = scope  # type: ignore[attr-defined]
            case ConsolidationPublished():
                _raise_to(ledger.generation_floor, self._scope_of[request.token], reply.generation)  # type: ignore[attr-defined]
            case NotOwner():
                self.goals.hit("a token was refused")
            case DeadLettered():
                self.goals.hit("a dead letter")
            case LeasesReturned(total=total) if total and isinstance(request, ReturnLeases):
                if request.process != life.process:
                    self.goals.hit("leases of a dead process were returned")

    def tell_of_claim(self) -> None:
        """Wake who waits for somebody to be at work."""
        self.claimed.set()
        self.claimed = trio.Event()

    def observe(self, life: Life, *, crashed: bool = False, asked: Asked = (), at: Instant | None = None) -> None:
        """Judge what a service's commit, or its death, made of the rows.

        Args:
          asked: the batch's requests and replies.
          at: when its transaction began; None: now.
        """
        if life.is_calm or life.has_lost_power:
            return
        if not (life.changed or crashed):
            if asked:
                self._judge(self._step(life.process, self._rows, asked, at), ANSWER_LAWS)
            return
        changed, life.changed = life.changed, set()
        before, self._rows = self._rows, self.reader.read(None if crashed else changed)
        self._count_steals(life, before)
        answers = self.history.answers
        answers.saw(before, self._rows, life.batch_began or answers.now())
        step = self._step("" if crashed else life.process, before, asked, at)
        self._judge(step, LAWS)
        if self.broken is None:
            self.ledger.take_in(step)

    def cut_power(self, cut: PowerCut, within: Life | None) -> None:
        """Cut the power of the machine; see `chaos.simulator.power`."""
        cut_power(self, cut, within)

    def find_after_power_cut(self, rows: Rows, began: Moment | None) -> None:
        """Judge the rows that a power cut left. began: when the batch that was under way began, if one was."""
        before, self._rows = self._rows, rows
        self.reader.close()
        self.reader = RowReader(StateFolder(path=self.state_dir).database)
        answers = self.history.answers
        answers.saw(before, rows, began or answers.now())
        step = self._step("", before)
        self._judge(step, LAWS)
        if self.broken is None:
            self.ledger.take_in(step)

    def observe_files(self, life: Life) -> None:
        """Judge what a piece of work made of the files."""
        if not life.is_calm:
            self._judge(self._step(life.process, self._rows), FILE_LAWS)

    def break_law(self, law: str, found: str) -> None:
        """Say that a law did not hold; the run ends."""
        self._end(BrokenLaw(law=law, found=found, at_ms=self.machine.now_ms()))

    @property
    def known_rows(self) -> Rows:
        """The rows as they were when somebody looked last."""
        return self._rows

    def rows(self) -> Rows:
        """The rows of now."""
        self._rows = self.reader.read()
        return self._rows

    def _step(self, actor: str, before: Rows, asked: Asked = (), at: Instant | None = None) -> Step:
        instant = at or self.machine.instant()
        return Step(
            before=before,
            after=self._rows,
            actor=actor,
            living=frozenset(
                life.process for life in self.lives.values() if not life.is_dead and not life.ended.is_set()
            ),
            boot_ms=instant.boot_ms,
            boot_id=instant.boot_id,
            memories_dir=self.memories_dir,
            ledger=self.ledger,
            name_changes=self.name_changes,
            wall_ms=instant.wall_ms,
            asked=asked,
        )

    def _judge(self, step: Step, laws: tuple[Law, ...]) -> None:
        self.commits_judged += 1
        broken = judge(step, laws, self.machine.now_ms())
        if broken is not None:
            self._end(broken)

    def _end(self, broken: BrokenLaw) -> None:
        if self.broken is None:
            broken = attrs.evolve(broken, found=broken.found.replace(str(self.root), ""))
            self.broken = broken
            self.story.tell("laws", f"BROKEN {broken}")
            self.over.set()

    def _count_steals(self, life: Life, before: Rows) -> None:
        for key, now in self._rows.leases.items():
            last = before.leases.get(key)
            if last is None or last.token is None or now.token in (None, last.token) or last.process == life.process:
                continue
            owner = next((one for one in self.lives.values() if one.process == last.process), None)
            if owner is not None and not owner.is_dead:
                self.goals.hit("stolen while the owner lived")

    # --- locks of files -------------------------------------------------------------------------------------------

    def remember_lock(self, life: Life, descriptor: int) -> None:
        """A service has locked this descriptor, or tried to."""
        self._locks[descriptor] = life

    def forget_lock(self, descriptor: int) -> None:
        """A descriptor is closed, and its lock with it."""
        self._locks.pop(descriptor, None)

    def free_locks(self, life: Life) -> None:
        """Free what a service had locked, as the operating system does when a process ends."""
        for descriptor in [descriptor for descriptor, holder in self._locks.items() if holder is life]:
            unlock(descriptor)
            del self._locks[descriptor]


def _raise_to(floors: dict[Any, int], key: Any, number: int) -> None:
    floors[key] = max(floors.get(key, 0), number)


@attrs.frozen(kw_only=True)
class Counted:
    """How much a run did. active_seconds: simulated seconds, over all services, in which the service did something."""

    steps: int
    steps_under_faults: int
    commits_judged: int
    active_seconds: int
    simulated_seconds: float
    calls: int
