"""Files of memories: the same memories give the same bytes in any order, within their limits, and forge nothing."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from state.ids import Scope
from state.messages.consolidation import ScopeMemory
from state.messages.extraction import MemoryNote
from tests.fakes.memories import memory, published
from tests.fakes.readings import CONTENT_AT_MS
from tests.properties.profiles import examples
from workers.consolidation.home import ScopeSummary, render_home
from workers.consolidation.merge import merge
from workers.consolidation.render import MEMORY_CHARS_MAX, MEMORY_LINES_MAX, SUMMARY_CHARS_MAX, render_scope
from workers.models.protocol import NoteKind

PIECES = st.sampled_from(
    ["tabs", "Tabs", " ", "\n", "\r", "# ", "## Thread `x`", "- ", "---", "v1", "\u2028", "[x:1]", "é"]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join) | st.integers(1, 600).map(lambda size: "x" * size)
NOTES = st.builds(
    MemoryNote,
    kind=st.sampled_from([kind.value for kind in NoteKind]),
    topic=st.sampled_from(["a", "b", ""]),
    text=TEXTS,
    line=st.integers(1, 3),
    at_ms=st.none() | st.sampled_from([CONTENT_AT_MS, CONTENT_AT_MS + 1]),
)
MEMORIES = st.lists(
    st.builds(
        lambda number, notes, raw, slug, source: memory(
            number, *notes, raw_memory=raw, rollout_summary=raw, rollout_slug=slug, source_at_ms=source
        ),
        st.integers(1, 60),
        st.lists(NOTES, max_size=5),
        TEXTS,
        st.none() | st.sampled_from(["a", "b c"]),
        st.sampled_from([CONTENT_AT_MS, CONTENT_AT_MS + 86_400_000]),
    ),
    unique_by=lambda one: one.thread_id,
    max_size=20,
)
SCOPES = st.builds(Scope, kind=st.just("cwd"), key=st.sampled_from(["/home/ann/shop", "", "/a\nb", "/" + "x" * 4_000]))


def render(scope: Scope, memories: list[ScopeMemory]) -> dict[str, str]:
    """The files of a scope."""
    return render_scope(scope, tuple(memories), codex_home="/home/ann/.codex")


@given(SCOPES, MEMORIES, st.randoms(use_true_random=False))
@examples(50)
def test_same_memories_in_any_order_give_the_same_bytes(
    scope: Scope, memories: list[ScopeMemory], random: Random
) -> None:
    shuffled = list(memories)
    random.shuffle(shuffled)

    assert render(scope, shuffled) == render(scope, memories)


@given(SCOPES, MEMORIES)
@examples(50)
def test_files_that_agents_load_stay_within_their_limits(scope: Scope, memories: list[ScopeMemory]) -> None:
    files = render(scope, memories)

    assert len(files["MEMORY.md"]) <= MEMORY_CHARS_MAX
    assert len(files["MEMORY.md"].splitlines()) <= MEMORY_LINES_MAX
    assert len(files["memory_summary.md"]) <= SUMMARY_CHARS_MAX


@given(SCOPES, MEMORIES)
@examples(50)
def test_entries_are_exactly_those_that_were_written(scope: Scope, memories: list[ScopeMemory]) -> None:
    files = render(scope, memories)

    raw = files["raw_memories.md"].replace("\r", "\n").split("\n")
    assert [line for line in raw if line.startswith("## ")] == [
        f"## Thread `{one.thread_id}`" for one in sorted(memories, key=lambda one: one.thread_id)
    ]
    assert len(files) == 3 + len(memories)
    headings = [line for line in files["memory_summary.md"].splitlines() if line.startswith("#")]
    assert len(headings) <= 4


@given(MEMORIES)
def test_what_stands_is_the_newest_of_each_topic_newest_first(memories: list[ScopeMemory]) -> None:
    merged = merge(tuple(memories))

    for standing in (merged.wishes, merged.fixes):
        assert [one.at_ms for one in standing] == sorted((one.at_ms for one in standing), reverse=True)
        assert len({one.note.topic for one in standing}) == len(standing)
        assert len({one.note.text.casefold() for one in standing}) == len(standing)
    assert len(merged.tasks) == len(memories)


@given(st.lists(MEMORIES, max_size=3), st.integers(0, 2))
@examples(15)
def test_home_wide_files_stay_within_their_limits(projects: list[list[ScopeMemory]], copies: int) -> None:
    summaries = tuple(
        ScopeSummary(
            scope=published(f"/home/ann/{number}"),
            text=render(Scope(kind="cwd", key=f"/home/ann/{number}"), memories)["memory_summary.md"],
        )
        for number, memories in enumerate(projects * (1 + 60 * copies))
    )
    files = render_home(summaries)

    assert len(files["memory_summary.md"]) <= SUMMARY_CHARS_MAX
    assert len(files["MEMORY.md"].splitlines()) <= MEMORY_LINES_MAX
    assert files["memory_summary.md"].splitlines()[0] == "v1"
