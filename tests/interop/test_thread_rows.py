"""memoryd's index of a home says what the real binary's own database says, thread by thread and column by column."""

import math
from collections.abc import Mapping

import pytest

from tests.fakes.command import Memoryd
from tests.interop.genuine_home import GenuineHome
from tests.interop.thread_rows import COLUMN_GROUPS, BetterAnswer, Row, comparable, differences
from tests.interop.varieties import NAMES, Variety

pytestmark = pytest.mark.interop

CLOCK_READINGS_MS = 2_000
"""Codex reads the clock for its row some milliseconds before or after it writes the line that says the same.

Measured: at most 30 ms. A machine that is busy with other tests gets more.
"""


def _of_two_clock_readings(theirs: Row, ours: Row, column: str) -> bool:
    allowed = CLOCK_READINGS_MS if column.endswith("_ms") else math.ceil(CLOCK_READINGS_MS / 1_000)
    return abs(_number(theirs, column) - _number(ours, column)) <= allowed


def _not_later(theirs: Row, ours: Row, column: str) -> bool:
    return _number(ours, column) <= _number(theirs, column)


def _number(row: Row, column: str) -> int:
    value = row[column]
    assert isinstance(value, int)
    return value


LIVE_BETTER_ANSWERS: tuple[BetterAnswer[Variety], ...] = (
    BetterAnswer(
        columns=("created_at", "created_at_ms"),
        reason="Codex reads the clock once for the row and once for session_meta; memoryd takes session_meta's.",
        holds=_of_two_clock_readings,
    ),
    BetterAnswer(
        columns=("updated_at", "updated_at_ms"),
        reason="Codex reads the clock after it has written; memoryd takes the time when the file was written.",
        holds=_of_two_clock_readings,
    ),
    BetterAnswer(
        columns=("recency_at", "recency_at_ms"),
        reason="Codex saw the last turn begin; memoryd met the whole file, and takes its last write, as backfills do.",
        holds=lambda theirs, ours, column: (
            _number(theirs, column) <= _number(ours, column) or _of_two_clock_readings(theirs, ours, column)
        ),
    ),
    BetterAnswer(
        columns=("updated_at", "updated_at_ms"),
        varieties=(Variety.APP_SERVER_NAMED,),
        reason="To Codex a name is an update, which only its database knows; the conversation has not changed.",
        holds=_not_later,
    ),
    BetterAnswer(
        columns=("archived_at",),
        varieties=(Variety.ARCHIVED,),
        reason="Only Codex's database knows when it archived; without it the last write is what is known.",
        holds=_not_later,
    ),
    BetterAnswer(
        columns=("preview",),
        varieties=(Variety.FORKED, Variety.PAGINATED_FORKED, Variety.NAMED_FORK),
        reason="Codex shows the parent's first message, until its own backfill shows the fork's, as memoryd does.",
        holds=lambda theirs, ours, column: ours[column] == theirs["first_user_message"],
    ),
    BetterAnswer(
        columns=("name",),
        varieties=(Variety.LEGACY_EDITED,),
        reason="Codex puts the name of a thread in the older format into its title; a name is a name.",
        holds=lambda theirs, ours, column: ours[column] == theirs["title"] == NAMES[Variety.LEGACY_EDITED],
    ),
    BetterAnswer(
        columns=("title",),
        varieties=(Variety.LEGACY_EDITED,),
        reason="The same: the title stays what the first message says.",
        holds=lambda theirs, ours, column: ours[column] == theirs["first_user_message"],
    ),
)

REBUILT_BETTER_ANSWERS: tuple[BetterAnswer[Variety], ...] = (
    BetterAnswer(
        columns=("rollout_path",),
        varieties=(Variety.COMPRESSED,),
        reason="Codex's backfill notes the compressed file, its live rows the plain one, by which a rollout is known.",
        holds=lambda theirs, ours, column: theirs[column] == f"{ours[column]}.zst",
    ),
    BetterAnswer(
        columns=("name",),
        varieties=(*NAMES, Variety.PAGINATED_FORKED),
        reason="Codex's backfill loses all names; memoryd reads them from session_index.jsonl.",
        holds=lambda theirs, ours, column: theirs[column] is None and ours[column] in NAMES.values(),
    ),
)


@pytest.mark.parametrize("group", COLUMN_GROUPS)
@pytest.mark.parametrize("variety", Variety)
def test_thread_is_the_one_that_codex_recorded(
    variety: Variety, group: str, codex_live_rows: Mapping[Variety, Row], memoryd_live_rows: Mapping[Variety, Row]
) -> None:
    theirs, ours = codex_live_rows[variety], memoryd_live_rows[variety]

    found = differences(variety, COLUMN_GROUPS[group], theirs, ours, LIVE_BETTER_ANSWERS)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("group", COLUMN_GROUPS)
@pytest.mark.parametrize("variety", Variety)
def test_thread_is_the_one_that_codex_rebuilds_from_the_same_files(
    variety: Variety, group: str, codex_rebuilt_rows: Mapping[Variety, Row], memoryd_rebuilt_rows: Mapping[Variety, Row]
) -> None:
    theirs, ours = codex_rebuilt_rows[variety], memoryd_rebuilt_rows[variety]

    found = differences(variety, COLUMN_GROUPS[group], theirs, ours, REBUILT_BETTER_ANSWERS)
    assert not found, "\n".join(found)


def test_every_column_that_both_have_is_compared(
    codex_live_rows: Mapping[Variety, Row], memoryd_live_rows: Mapping[Variety, Row]
) -> None:
    shared = codex_live_rows[Variety.PLAIN].keys() & memoryd_live_rows[Variety.PLAIN].keys()

    assert {column for columns in COLUMN_GROUPS.values() for column in columns} == shared


def test_thread_is_shown_as_it_is_listed_and_with_the_tool_that_its_client_brought(
    codex_home: GenuineHome, memoryd: Memoryd, memoryd_live_rows: Mapping[Variety, Row]
) -> None:
    shown = memoryd.ask("threads", "show", codex_home.threads[Variety.DYNAMIC_TOOL])

    assert memoryd_live_rows[Variety.DYNAMIC_TOOL].items() <= comparable(shown, codex_home.path).items()
    assert [tool["name"] for tool in shown["dynamic_tools"]] == ["look_up"]
