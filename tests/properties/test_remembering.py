"""What is remembered of a session is the last answer that said something, however often it is extracted again."""

from hypothesis import given
from hypothesis import strategies as st

from state.messages.extraction import MemoryDraft
from tests.fakes.extraction import EMPTY, claimed, draft, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index

ANSWERS = st.sampled_from([draft("tabs"), draft("spaces"), EMPTY, None])
STEPS_MS = st.sampled_from([-86_400_000, 0, 1])


@given(st.lists(st.tuples(ANSWERS, STEPS_MS), min_size=1, max_size=8))
def test_answer_that_says_nothing_deletes_nothing_and_every_change_is_stamped_later(
    answers: list[tuple[MemoryDraft | None, int]],
) -> None:
    """Each answer comes after the session grew and the wall clock was set."""
    state = MemoryState()
    expected: list[tuple[str, int]] = []
    for number, (answer, step_ms) in enumerate(answers):
        state.clock.wall_ms += step_ms
        index(state, facts(1, content_digest=f"digest of {number}"), size_bytes=100 + number)
        claimed(state, f"token-{number}")

        finish(state, f"token-{number}", answer)

        if answer is not None and answer is not EMPTY and [answer.raw_memory] != [text for text, _ in expected]:
            stamp = max(state.clock.wall_ms, *(at_ms + 1 for _, at_ms in expected), 0)
            expected = [(answer.raw_memory, stamp)]
        assert state.rows("SELECT raw_memory, updated_at_ms FROM memories") == expected
        notes = state.rows("SELECT text FROM memory_notes")
        assert [f"- {text}" for (text,) in notes] == [text for text, _ in expected]
    state.close()
