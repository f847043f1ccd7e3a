"""A mutation: a realistic bug as data, and how it is put into a copy of the tree.

A place is named by definitions and not by a file, so that rules may move between files without a change here: the text
must stand exactly once within the definitions of these names, wherever below `state/rules` they are.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import attrs

RULES = Path("state/rules")
"""Where bugs are put in, from the root of a tree."""


class NotApplicableError(Exception):
    """The tree has changed: the mutation must be brought up to date with it."""


@attrs.frozen(kw_only=True)
class Edit:
    """One replacement of text.

    Attributes:
      inside: names of functions, classes or constants at the top of a module; one of them holds the text.
      old: the exact text; short, so that it survives what happens around it.
      new: what takes its place.
    """

    inside: tuple[str, ...]
    old: str
    new: str


@attrs.frozen(kw_only=True)
class Mutation:
    """One bug.

    Attributes:
      name: short and unique.
      bug: what is wrong with the mutated code, in one sentence.
      edits: all of them together make the bug.
      tests: the tests of which at least one must fail, as pytest names them.
    """

    name: str
    bug: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def apply(mutation: Mutation, root: Path) -> tuple[str, ...]:
    """Put the bug into the tree at `root`, which is a copy; answer the changed files.

    Raises:
      NotApplicableError: a text is not there exactly once; then perhaps some of the edits have been made.
    """
    return tuple(dict.fromkeys(_apply_edit(mutation.name, edit, root) for edit in mutation.edits))


def _apply_edit(name: str, edit: Edit, root: Path) -> str:
    places = [
        (path, start + offset)
        for path in sorted((root / RULES).rglob("*.py"))
        for start, text in _definitions(path, edit.inside)
        for offset in _offsets(text, edit.old)
    ]
    if len(places) != 1:
        raise NotApplicableError(
            f"{name} must be brought up to date: {edit.old!r} stands {len(places)} times, not once,"
            f" in {' or '.join(edit.inside)} below {RULES}"
        )
    ((path, offset),) = places
    source = path.read_text(encoding="utf-8")
    path.write_text(source[:offset] + edit.new + source[offset + len(edit.old) :], encoding="utf-8")
    return str(path.relative_to(root))


def _definitions(path: Path, names: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Offset and text of each definition of these names at the top of a module."""
    source = path.read_text(encoding="utf-8")
    lines = source.split("\n")  # as Python counts lines; splitlines knows more ends
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]):
                pass
            case _:
                continue
        if name in names:
            assert node.end_lineno is not None, "ast.parse numbers every line"
            first, last = node.lineno - 1, node.end_lineno
            yield sum(len(line) + 1 for line in lines[:first]), "\n".join(lines[first:last])


def _offsets(text: str, part: str) -> Iterator[int]:
    offset = text.find(part)
    while offset >= 0:
        yield offset
        offset = text.find(part, offset + 1)
