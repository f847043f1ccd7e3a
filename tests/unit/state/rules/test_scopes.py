"""Names of scopes' folders: readable, and never shared."""

import pytest

from state.ids import Scope
from state.messages.consolidation import HOME_SCOPE
from state.rules.scopes import scope_folder, scope_link


def cwd(key: str) -> Scope:
    """The scope of a working folder."""
    return Scope(kind="cwd", key=key)


def test_folder_name_is_readable() -> None:
    assert scope_folder(cwd("/home/ann/Web Shop")).startswith("web-shop-")


@pytest.mark.parametrize(
    "key", ["", "/", "//", "/home/ann/...", "/home/ann/日本", "-", "/a/" + "x" * 300, "/a/..", "\n"]
)
def test_any_key_gives_one_plain_folder_name(key: str) -> None:
    name = scope_folder(cwd(key))

    assert "/" not in name
    assert name.strip("-. ") == name
    assert 1 <= len(name) <= 60
    assert name.isascii()


def test_keys_that_look_alike_have_folders_of_their_own() -> None:
    keys = ["/home/ann/shop", "/home/ann/shop/", "/home/bob/shop", "/home/ann/Shop", "shop", "/home/ann/shop "]

    assert len({scope_folder(cwd(key)) for key in keys}) == len(keys)


def test_kinds_do_not_share_folders() -> None:
    assert scope_folder(Scope(kind="a", key="bc")) != scope_folder(Scope(kind="ab", key="c"))


def test_home_has_its_own_place() -> None:
    assert scope_folder(HOME_SCOPE) == "home"
    assert scope_link(HOME_SCOPE) == "current"
    assert scope_folder(cwd("home")) != "home"
    assert scope_link(cwd("/home/ann/shop")) == f"scopes/{scope_folder(cwd('/home/ann/shop'))}"
