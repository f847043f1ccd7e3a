"""Data in Markdown stays data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.consolidation.text import cut_at_line, day, one_line, quoted_block, rfc3339

BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("character", [*BREAKS, "\x00", "\x1b", "\u202e", "\u2066"])
def test_one_line_holds_no_break_and_no_character_that_steers_a_terminal(character: str) -> None:
    assert one_line(f"  a{character}b ") == "a b"


@given(st.text())
def test_one_line_is_one_line_for_everybody(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    "line",
    [
        "# heading",
        "###### deep heading",
        "## Thread `01990000-0000-7000-8000-000000000001`",
        "---",
        "-----",
        "===",
        "-",
        "```",
        "~~~ text",
        "   # indented heading",
    ],
)
@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
def test_line_that_would_open_a_new_entry_is_escaped(line: str, break_: str) -> None:
    escaped = quoted_block(f"before{break_}{line}{break_}after").split("\n")

    assert escaped[0] == "before"
    assert escaped[1].lstrip().startswith("\\")
    assert escaped[1].replace("\\", "", 1) == line
    assert escaped[2] == "after"


@pytest.mark.parametrize("line", ["- a bullet", "#hashtag", "a # b", "----- text", "`code`", "a --- b", "-x", "=x"])
def test_line_that_opens_nothing_is_left_alone(line: str) -> None:
    assert quoted_block(f"before\n{line}") == f"before\n{line}"


HEADING_LIKE = st.lists(st.sampled_from(["#", " ", "-", "=", "`", "~", "\n", "\r", "\t", "\x0b", "a"])).map("".join)


@given(HEADING_LIKE)
def test_no_line_of_a_block_is_a_heading_a_rule_or_a_fence(text: str) -> None:
    for line in quoted_block(text).replace("\r", "\n").split("\n"):
        bare = line.strip()
        assert not (bare.startswith("#") and bare.lstrip("#")[:1] in (" ", "\t") and len(bare.split()[0]) <= 6)
        assert not (bare and set(bare) in ({"-"}, {"="}))
        assert not bare.startswith(("```", "~~~"))


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=5)), st.integers(0, 40))
def test_cut_keeps_as_many_whole_lines_as_fit(lines: list[str], chars_max: int) -> None:
    kept = cut_at_line(lines, chars_max)

    def size(some: list[str]) -> int:
        return sum(len(line) + 1 for line in some)

    assert kept == lines[: len(kept)]
    assert size(kept) <= chars_max
    assert kept == lines or size(lines[: len(kept) + 1]) > chars_max


def test_times_are_written_in_utc() -> None:
    assert rfc3339(1_795_225_782_999) == "2026-11-21T01:49:42+00:00"
    assert day(1_795_225_782_999) == "2026-11-21"
    assert day(-1) == "1969-12-31"
