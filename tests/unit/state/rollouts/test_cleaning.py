"""Texts are redacted whole, then cut in their middle to their bound."""

import pytest

from state.rollouts.cleaning import Cleaner, cut_middle
from tests.unit.state.rollouts.transcript import unchanged, without_hunter


@pytest.mark.parametrize("chars_max", [0, 1, 10, 40, 60, 99, 100, 101])
def test_cut_text_keeps_to_its_bound(chars_max: int) -> None:
    cut = cut_middle("0123456789" * 10, chars_max)

    assert len(cut) <= chars_max
    assert (cut == "0123456789" * 10) == (chars_max >= 100)


def test_cut_text_keeps_its_beginning_and_its_end() -> None:
    cut = cut_middle("begin" + "x" * 1_000 + "end", 100)

    assert cut.startswith("begin")
    assert cut.endswith("end")
    assert "left out" in cut
    assert len(cut) == 100


def test_secret_at_the_cut_is_gone_whole() -> None:
    for before in range(60):
        text = "x" * before + "hunter2" + "y" * 200
        cleaner = Cleaner(without_hunter, text_chars_max=95, output_chars_max=95)

        assert "h" not in cleaner.text(text).replace("characters", "")
        assert len(cleaner.output(text)) == 95


def test_nul_is_replaced_and_files_are_cleaned_each() -> None:
    cleaner = Cleaner(without_hunter, text_chars_max=20, output_chars_max=20)

    assert cleaner.text("a\0b") == "a\ufffdb"
    assert cleaner.files(("src/hunter2.py", "b")) == ("src/[gone].py", "b")


def test_empty_text_is_not_redacted() -> None:
    def refuse(text: str) -> str:
        raise AssertionError(text)

    assert Cleaner(refuse, 10, 10).text("") == ""
    assert Cleaner(unchanged, 10, 10).output("") == ""
