"""The order in which rollouts are read never matters: the same files give the same rows."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from state.messages.backfill import ClaimBackfill, RecordRollouts, RegisterRollouts
from state.rollouts.model import DynamicTool, FoundRollout, ThreadFacts
from tests.fakes.memory_state import MemoryState, Tables, terms
from tests.fakes.readings import CONTENT_AT_MS, SCAN, facts, found, read

PATHS = ["sessions/a.jsonl", "sessions/b.jsonl", "archived_sessions/a.jsonl", "archived_sessions/z.jsonl"]

File = tuple[FoundRollout, ThreadFacts | None]
"""A file and what reading it gives."""


@st.composite
def files(draw: st.DrawFn) -> list[File]:
    """Up to four files that hold up to two threads, several of them the same one, each saying something else."""
    chosen = draw(st.lists(st.sampled_from(PATHS), unique=True, min_size=1))
    return [
        (
            found(path, mtime_ns=(CONTENT_AT_MS + place) * 1_000_000),
            draw(
                st.none()
                | st.builds(
                    lambda number, tools, path=path: facts(
                        number,
                        title=f"from {path}",
                        cwd=f"/home/ann/{path}",
                        content_digest=path,
                        dynamic_tools=tuple(
                            DynamicTool(name=f"{tool} of {path}", description="", input_schema="{}")
                            for tool in range(tools)
                        ),
                    ),
                    st.sampled_from([1, 2]),
                    st.integers(0, 2),
                )
            ),
        )
        for place, path in enumerate(chosen)
    ]


def rows_after(batches: list[list[File]]) -> Tables:
    """What is stored after all files were listed and then read in these batches."""
    state = MemoryState()
    state.ask(ClaimBackfill(terms=terms(SCAN)))
    listed = sorted((file for batch in batches for file, _ in batch), key=lambda file: file.path)
    state.ask(RegisterRollouts(token=SCAN, found=tuple(listed)))
    for batch in batches:
        outcomes = tuple(read(file, content) for file, content in batch)
        state.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=outcomes))
    # How often a thread's content changed, and what it left dirty on its way, is history and not what the files say.
    for table, column in (("threads", "content_revision"), ("rollout_files", "reason")):
        state.rows(f"UPDATE {table} SET {column} = 0")
    tables = state.tables()
    state.close()
    return tables


@given(files(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_files_read_in_any_order_and_any_batches_give_the_same_rows(
    listed: list[File], random: Random, size: int
) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]

    assert rows_after(batches) == rows_after([listed])


@given(st.lists(files(), max_size=3), st.sampled_from([1, 2]))
def test_many_readings_in_one_message_leave_what_each_alone_leaves(before: list[list[File]], number: int) -> None:
    """Among others those that are recorded together: the first of files and threads that nobody knows."""
    last: list[File] = [
        (found(f"sessions/{name}.jsonl"), facts(place)) for place, name in ((3, "x"), (4, "y"), (5, "z"))
    ]
    last += [(found("archived_sessions/x.jsonl"), facts(6, dynamic_tools=_TOOLS, memory_mode="no"))]
    last += [(found("sessions/w.jsonl"), facts(7, preview="")), (found("sessions/v.jsonl"), facts(number))]

    assert rows_after([*before, last]) == rows_after([*before, *([file] for file in last)])


_TOOLS = tuple(DynamicTool(name=name, description="", input_schema="{}") for name in ("one", "two"))


@given(files())
def test_best_file_of_each_thread_holds_it_and_the_others_are_shadowed(listed: list[File]) -> None:
    tables = rows_after([listed])

    statuses = {str(row[0]): str(row[5]) for row in tables["rollout_files"]}
    for number in (1, 2):
        holders = [
            (not file.archived, file.path)
            for file, content in listed
            if content is not None and content.thread_id == facts(number).thread_id
        ]
        for holder in holders:
            assert statuses[holder[1]] == ("indexed" if holder == max(holders) else "shadowed")
    for file, content in listed:
        assert (statuses[file.path] == "skipped") == (content is None)


@given(files(), st.randoms(use_true_random=False))
def test_reading_everything_again_changes_nothing(listed: list[File], random: Random) -> None:
    again = list(listed)
    random.shuffle(again)

    assert rows_after([listed, again]) == rows_after([listed])
