"""What was said in rollouts is found: in their order, in any form, in bounded memory, and only what was said."""

import json
from pathlib import Path
from typing import Any

import pytest

from state.rollouts.lines import BLOCK_BYTES, LINE_BYTES_MAX
from state.rollouts.representation import zstd
from state.rollouts.search import first_snippet, search_rollouts
from state.rollouts.search_term import SearchTerm
from tests.fakes.readings import thread_id
from tests.fakes.rollout_lines import answered, event, line, meta, newer

THREAD = thread_id(1)


def written(folder: Path, *lines: bytes, name: str = "one.jsonl") -> str:
    (folder / name).write_bytes(b"".join(one + b"\n" for one in lines))
    return name


def message(role: str, *texts: str, kind: str = "input_text") -> bytes:
    content = [{"type": kind, "text": text} for text in texts]
    return line("response_item", {"type": "message", "role": role, "content": content})


def unpaused() -> None:
    """Go on."""


def snippet(folder: Path, path: str, term: str) -> str | None:
    return first_snippet(folder, path, SearchTerm(term), unpaused)


def has_time() -> bool:
    return True


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (event("user_message", message="In the\n  Till"), "In the Till"),
        (event("agent_message", message=" the till\n"), "the till"),
        (event("user_message", message="ctx ## My request for Codex:\n the till"), "the till"),
        (message("user", "in the", "till"), "in the till"),
        (message("assistant", "the till", kind="output_text"), "the till"),
        (b'{"payload":{"message":"the till","type":"agent_message"},"type":"event_msg"}', "the till"),
    ],
)
def test_what_was_said_is_found(tmp_path: Path, said: bytes, shown: str) -> None:
    assert snippet(tmp_path, written(tmp_path, meta(THREAD), said), "TILL") == shown


@pytest.mark.parametrize(
    "said",
    [
        meta(THREAD, cwd="/till"),
        message("developer", "the till"),
        event("agent_reasoning", text="the till"),
        event("user_message", message="till ## My request for Codex: mend"),
        event("user_message", message={"text": "till"}),
        line("response_item", {"type": "message", "role": "user", "content": "till"}),
        line("response_item", {"type": "function_call_output", "output": "the till"}),
        line("turn_context", {"cwd": "/till"}),
        *newer(THREAD, [[answered("the till")]])[2:3],
        b"till, and no JSON",
        b'{"type":"event_msg","payload":{"type":"user_message","message":"till',
        b'{"timestamp":"","type":"event_msg","payload":{"type":"user_message","message":"till \xff"}}',
        b"[" * 100_000 + b"till",
    ],
    ids=range(13),
)
def test_what_nobody_said_or_nobody_can_read_is_passed_over(tmp_path: Path, said: bytes) -> None:
    path = written(tmp_path, said, event("agent_message", message="Here: the till"))

    assert snippet(tmp_path, path, "till") == "Here: the till"


def test_only_the_first_place_is_shown_with_some_words_around_it(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        event("agent_message", message="b " * 40 + "till" + " a" * 60),
        event("agent_message", message="till"),
    )

    shown = snippet(tmp_path, path, "till")
    assert shown is not None
    assert shown.startswith("... b b")
    assert shown.endswith("a ...")
    assert shown.count("till") == 1


def test_words_on_two_lines_are_not_found_as_one_term(tmp_path: Path) -> None:
    path = written(tmp_path, event("agent_message", message="in\nthe till"))

    assert snippet(tmp_path, path, "in the") is None
    assert snippet(tmp_path, path, "in\nthe") is None
    assert snippet(tmp_path, path, "the till") == "in the till"


def test_compressed_rollout_is_searched_and_damage_costs_only_what_is_behind_it(tmp_path: Path) -> None:
    whole = event("agent_message", message="the till") + b"\n" + json.dumps({"x": "y" * 5_000}).encode() + b"\n"
    (tmp_path / "one.jsonl.zst").write_bytes(zstd.compress(whole))
    (tmp_path / "two.jsonl.zst").write_bytes(zstd.compress(whole) + zstd.compress(whole * 50)[:-7])
    (tmp_path / "three.jsonl.zst").write_bytes(b"no zstd")

    assert snippet(tmp_path, "one.jsonl", "till") == snippet(tmp_path, "two.jsonl", "till") == "the till"
    assert snippet(tmp_path, "two.jsonl", "nowhere") is None
    assert snippet(tmp_path, "three.jsonl", "till") is None


def test_line_is_found_wherever_a_block_ends_and_one_that_is_too_long_is_passed_over(tmp_path: Path) -> None:
    long = event("agent_message", message="x" * (BLOCK_BYTES - 100) + "needle")
    too_long = event("agent_message", message="y" * LINE_BYTES_MAX + "needle")
    path = written(tmp_path, meta(THREAD), long)
    other = written(tmp_path, too_long, event("user_message", message="a needle"), name="two.jsonl")

    assert str(snippet(tmp_path, path, "NEEDLE")).endswith("xneedle")
    assert snippet(tmp_path, other, "needle") == "a needle"


def test_rollouts_are_looked_through_in_order_until_enough_is_found(tmp_path: Path) -> None:
    paths = ["gone.jsonl"]
    for number in range(5):
        said = "the till" if number % 2 else "nothing"
        paths.append(written(tmp_path, event("agent_message", message=said), name=f"{number}.jsonl"))

    found = search_rollouts(tmp_path, paths, SearchTerm("till"), found_max=1, has_time=has_time, pause=unpaused)
    everything = search_rollouts(tmp_path, paths, SearchTerm("till"), found_max=9, has_time=has_time, pause=unpaused)

    assert (found.looked_at, found.snippets) == (3, {2: "the till"})
    assert (everything.looked_at, everything.snippets) == (6, {2: "the till", 4: "the till"})


def test_search_without_time_looks_at_one_rollout_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, event("agent_message", message="the till"))

    looked = search_rollouts(
        tmp_path, [path] * 3, SearchTerm("till"), found_max=9, has_time=lambda: False, pause=unpaused
    )

    assert (looked.looked_at, looked.snippets) == (1, {0: "the till"})


def test_search_can_be_given_up_within_a_rollout(tmp_path: Path) -> None:
    path = written(tmp_path, *[event("agent_message", message="x" * 1_000)] * 3_000)
    pauses: list[Any] = []

    def pause() -> None:
        pauses.append(None)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_rollouts(tmp_path, [path], SearchTerm("till"), found_max=1, has_time=has_time, pause=pause)
    assert len(pauses) == 2
