"""Folders that sessions work in are written in one way, and shown from the root."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.rollouts.folders import absolute_folder, plain_folder


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("/srv/shop", "/srv/shop"),
        ("/srv/shop/", "/srv/shop"),
        ("/srv/./shop/.", "/srv/shop"),
        ("//srv//shop", "/srv/shop"),
        ("/", "/"),
        ("//", "/"),
        ("/.", "/"),
        ("", ""),
        (".", "."),
        ("./x/", "./x"),
        ("x/", "x"),
        ("/srv/x/../shop/", "/srv/x/../shop"),
        ("/srv/.hidden", "/srv/.hidden"),
        ("~/x/", "~/x"),
        ("C:\\x", "C:\\x"),
    ],
)
def test_folder_is_written_without_what_means_nothing(said: str, plain: str) -> None:
    assert plain_folder(said) == plain


@given(st.text(alphabet="/.a", max_size=8))
def test_folder_that_is_written_so_leads_to_the_same_place_and_stays(said: str) -> None:
    plain = plain_folder(said)

    assert plain_folder(plain) == plain
    assert os.path.normpath(f"/there/{plain}" if not plain.startswith("/") else plain).replace("//", "/") == (
        os.path.normpath(f"/there/{said}" if not said.startswith("/") else said).replace("//", "/")
    )


def test_folder_is_shown_from_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ann")

    shown = [absolute_folder(said) for said in ("/srv/shop", "//srv/x/../shop/", "", "x", "~", "~/x/", "~ann")]

    work = str(tmp_path)
    assert shown == ["/srv/shop", "/srv/shop", work, f"{work}/x", "/home/ann", "/home/ann/x", f"{work}/~ann"]
