"""A class whose methods are written late is the class that attrs makes."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import attr._make as making
import attrs
import pytest

import late_methods


def _check(instance: object, field: "attrs.Attribute[Any]", value: int) -> None:
    if value < 0:
        raise ValueError(f"{field.name} is negative")


def _made() -> type[Any]:
    """A class with a little of everything that our classes use, made anew."""

    @attrs.frozen(kw_only=True)
    class Point:
        x: int = attrs.field(validator=_check)
        y: int = 0
        names: tuple[str, ...] = attrs.field(factory=tuple, converter=tuple)

    @attrs.frozen(kw_only=True)
    class Named(Point):
        name: str = "none"
        made: list[str] = attrs.field(factory=list, eq=False, repr=False)

        def __attrs_post_init__(self) -> None:
            self.made.append(self.name)

    return Named


Named = _made()


@attrs.define
class Counter:
    """Changes, and so has no hash."""

    count: int = attrs.field(default=0, validator=_check)


@attrs.frozen(init=False)
class OwnInit:
    """Writes its own beginning."""

    text: str

    def __init__(self, text: str) -> None:
        self.__attrs_init__(text.upper())


@attrs.frozen
class OwnWords:
    """Writes its own words."""

    text: str

    def __repr__(self) -> str:
        return f"<{self.text}>"


def test_the_methods_of_this_attrs_are_written_late() -> None:
    assert making._ClassBuilder is not late_methods._BUILDER
    assert "__init__" in attrs.make_class("Unused", ["x"]).__dict__
    assert not inspect.isfunction(attrs.make_class("Unused", ["x"]).__dict__["__init__"])


def test_a_method_is_written_once_and_for_good() -> None:
    unused = attrs.make_class("Unused", ["x"])
    assert unused(1) == unused(1)
    assert inspect.isfunction(unused.__dict__["__init__"])
    assert inspect.isfunction(unused.__dict__["__repr__"]), "all methods of a class are written together"


@pytest.mark.parametrize(
    "use",
    [
        repr,
        hash,
        attrs.asdict,
        lambda made: repr(copy.copy(made)),
        lambda made: made == attrs.evolve(made),
        lambda made: made == attrs.evolve(made, y=3),
        lambda made: made != attrs.evolve(made, y=3),
        lambda made: made == 1,
        lambda made: repr(attrs.evolve(made, y=3, names=["b"])),
        lambda made: str(inspect.signature(type(made))),
        lambda made: made.made,
    ],
)
def test_an_object_is_what_it_is_when_its_methods_are_written_at_once(
    use: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = use(_made()(x=1, names=["a"], name="n"))
    monkeypatch.setattr(making, "_ClassBuilder", late_methods._BUILDER)
    assert use(_made()(x=1, names=["a"], name="n")) == late


def test_what_a_class_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="x is negative"):
        Named(x=-1)
    with pytest.raises(TypeError, match="x"):
        Named()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Named(x=1).x = 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Counter())
    counter = Counter()
    with pytest.raises(ValueError, match="count is negative"):
        counter.count = -1


def test_what_a_class_writes_itself_stays() -> None:
    assert OwnInit("a").text == "A"
    assert repr(OwnWords("a")) == "<a>"
    assert Named(x=1, name="b").made == ["b"]


def test_who_asks_the_class_for_a_method_gets_it() -> None:
    assert list(inspect.signature(attrs.make_class("Asked", ["x", "y"])).parameters) == ["x", "y"]
    assert _made().__init__.__annotations__["name"] is str
    assert inspect.isfunction(_made().__eq__)
