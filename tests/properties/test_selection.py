"""What a scope's files hold is known, whatever is saved, used, pollutes, is deleted or pruned while they are written.

The model knows of which memories the current generation was made. While the scope is clean these are exactly the ones
that the rows call selected, and none of them is of a thread that must be forgotten, or older than allowed since the
last time somebody pruned.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from state.ids import ThreadId
from state.messages.consolidation import ConsolidationClaimed, LoadScopeMemories, SelectedMemory
from state.messages.memory_rows import MemoryRow, SaveMemory
from state.messages.retention import DeleteThreadMemory, MarkPolluted, PruneMemories, RecordUsage
from tests.fakes.consolidation import SHOP, claim, leave_unchanged, publish
from tests.fakes.extraction import EXTRACTOR, draft
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

UNUSED_MS = 10_000
THREADS = st.sampled_from([1, 2, 3])
SELECTED_MAX = 2


class SelectionMachine(RuleBasedStateMachine):
    """Three threads in one scope, and one consolidation that loads now and publishes later."""

    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState()
        self.minted = 0
        self.loaded: tuple[SelectedMemory, ...] | None = None
        self.in_files: set[ThreadId] = set()
        for number in (1, 2, 3):
            index(self.state, facts(number, content_at_ms=self.state.clock.wall_ms))
            self._save(number, "tabs")

    def teardown(self) -> None:
        self.state.close()

    @rule(ms=st.sampled_from([1, UNUSED_MS - 1, UNUSED_MS + 1]))
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule(number=THREADS, text=st.sampled_from(["tabs", "spaces"]), has_new_content=st.booleans())
    def memory_is_saved(self, number: int, text: str, has_new_content: bool) -> None:
        if has_new_content:
            now_ms = self.state.clock.wall_ms
            self.state.rows("UPDATE threads SET content_at_ms = ? WHERE id = ?", now_ms, thread_id(number))
        self._save(number, text)

    def _save(self, number: int, text: str) -> None:
        save = SaveMemory(thread_id=thread_id(number), extractor=EXTRACTOR, draft=draft(text))
        assert isinstance(self.state.ask(save), MemoryRow)

    @rule(number=THREADS)
    def memory_is_of_use(self, number: int) -> None:
        self.state.ask(RecordUsage(thread_ids=(thread_id(number),)))

    @rule(number=THREADS)
    def thread_is_polluted(self, number: int) -> None:
        self.state.ask(MarkPolluted(thread_id=thread_id(number)))

    @rule(number=THREADS)
    def thread_is_forgotten(self, number: int) -> None:
        self.state.ask(DeleteThreadMemory(thread_id=thread_id(number)))

    @rule()
    def somebody_prunes(self) -> None:
        self.state.ask(PruneMemories(unused_ms=UNUSED_MS))

        if self._is_clean():
            too_old = self.state.value(
                "SELECT count(*) FROM memories WHERE coalesce(last_used_at_ms, source_at_ms) < ?",
                self.state.clock.wall_ms - UNUSED_MS,
            )
            assert too_old == 0

    @rule()
    def everything_is_consolidated(self) -> None:
        self.files_are_published(is_staged=True)
        while not self._is_clean():
            self.files_are_begun()
            self.files_are_published(is_staged=True)

    @rule()
    def files_are_begun(self) -> None:
        if self.loaded is not None:
            return
        self.minted += 1
        job = claim(self.state, f"token-{self.minted}", lease_ms=86_400_000)
        if not isinstance(job, ConsolidationClaimed):
            return
        if job.scope != SHOP:
            publish(self.state, f"token-{self.minted}")
            return
        load = LoadScopeMemories(scope=SHOP, limit=SELECTED_MAX, unused_ms_max=UNUSED_MS)
        self.loaded = tuple(
            SelectedMemory(thread_id=memory.thread_id, source_at_ms=memory.source_at_ms)
            for memory in self.state.ask(load)
        )

    @rule(is_staged=st.booleans())
    def files_are_published(self, is_staged: bool) -> None:
        if self.loaded is None:
            return
        write = publish if is_staged else leave_unchanged
        write(self.state, f"token-{self.minted}", selected=self.loaded)
        self.in_files = {memory.thread_id for memory in self.loaded}
        self.loaded = None

    def _is_clean(self) -> bool:
        dirty = "SELECT count(*) FROM scopes WHERE scope_kind = 'cwd' AND inputs_mark > consolidated_mark"
        return bool(self.state.value(dirty) == 0)

    @invariant()
    def files_of_a_clean_scope_are_made_of_what_is_selected(self) -> None:
        if self._is_clean():
            rows = self.state.rows("SELECT thread_id FROM memories WHERE selected_source_at_ms IS NOT NULL")
            assert {thread for (thread,) in rows} == self.in_files

    @invariant()
    def files_of_a_clean_scope_hold_nothing_that_must_be_forgotten(self) -> None:
        if self._is_clean():
            polluted = {row for (row,) in self.state.rows("SELECT id FROM threads WHERE memory_mode <> 'enabled'")}
            remembered = {row for (row,) in self.state.rows("SELECT thread_id FROM memories")}
            assert not self.in_files & polluted
            assert self.in_files <= remembered


TestSelection = SelectionMachine.TestCase
TestSelection.settings = settings(max_examples=150, stateful_step_count=40)
