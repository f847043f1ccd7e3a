"""A home with one thread of every kind, which nobody changes: what listings, searches and readings are asked about."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from state.rollouts.representation import zstd
from tests.interop.app_server.stored import (
    Stored,
    agent_item,
    item_completed,
    spawned_by,
    stamp,
    task_complete,
    task_started,
    thread_id,
    turn_id,
    user_item,
)

GIT = {"commit_hash": "abc123", "branch": "feature/x", "repository_url": "git@example.com:shop/till.git"}

LEGACY, PAGINATED, EDITOR, EXEC, OTHER_PROVIDER, SHOP = range(1, 7)
ARCHIVED, ARCHIVED_PAGINATED = 7, 8
CHILD, GRANDCHILD, REVIEWER, COMPACTOR, CONSOLIDATOR, CUSTOM, SERVER, STRANGER = range(9, 17)
TWIN, OTHER_TWIN = 17, 18
LONG_LEGACY, LONG_PAGINATED = 19, 20
SILENT, RESPONSE_ONLY, IMAGE_ONLY, REQUEST_IN_CONTEXT = range(21, 25)
LEGACY_FORK, PAGINATED_FORK = 25, 26
NAMED, UNICODE, NEEDLE, NEEDLE_IN_LATER_TURN = range(27, 31)
COMPRESSED, DOS_LINES, TORN, MARKED = range(31, 35)
WITHOUT_META, SHORT_MEMBERS, TIRED, OUTER_SPACE = range(35, 39)
UNKNOWN = 0xFFF
"""A number that no thread has."""


def write_library(home: Path) -> None:
    """Fill a home. Its threads began a minute after each other, twins but for."""
    for thread in THREADS.values():
        thread.write(home)
    _compress(THREADS[COMPRESSED].path(home))
    names = [(NAMED, "first name"), (NAMED, "the till"), (UNICODE, "Zażółć 世界")]
    with (home / "session_index.jsonl").open("w", encoding="utf-8") as file:
        for number, name in names:
            entry = {"id": thread_id(number), "thread_name": name, "updated_at": stamp(1_736_090_000)}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    _write_garbage(home)


def _compress(path: Path) -> None:
    whole, times = path.read_bytes(), path.stat()
    small = path.with_name(f"{path.name}.zst")
    small.write_bytes(zstd.compress(whole))
    os.utime(small, ns=(times.st_mtime_ns, times.st_mtime_ns))
    path.unlink()


def _write_garbage(home: Path) -> None:
    """Files beside the rollouts that are none, or that nobody can read."""
    day = home / "sessions" / "2025" / "01" / "05"
    for number, data in enumerate((b"", b"\n  \n", b"no JSON at all\n", b"\x00\x01\x02" * 100)):
        (day / f"rollout-2025-01-05T20-0{number}-00-{thread_id(0x800 + number)}.jsonl").write_bytes(data)
    (day / "notes.txt").write_bytes(b"not a rollout\n")
    (day / f"copy-of-rollout-2025-01-05T12-01-00-{thread_id(0x810)}.jsonl").write_bytes(THREADS[LEGACY].data())
    (day / f"rollout-2025-01-05T20-10-00-{thread_id(0x811)}.jsonl").symlink_to(THREADS[LEGACY].path(home).name)
    (day / f"rollout-2025-01-05T20-11-00-{thread_id(0x812)}.jsonl").mkdir()
    for path in (*day.glob("*T20-*"), *day.glob("copy-*")):
        os.utime(path, (1_736_110_000, 1_736_110_000), follow_symlinks=False)


def _user(text: str, **more: object) -> tuple[str, Mapping[str, Any]]:
    return "event_msg", {"type": "user_message", "message": text, "kind": "plain", **more}


def _agent(text: str) -> tuple[str, Mapping[str, Any]]:
    return "event_msg", {"type": "agent_message", "message": text}


def _later_turn(
    number: int, turn: int, at_seconds: int, question: str, answer: str
) -> list[tuple[str, dict[str, Any]]]:
    name = turn_id(number, turn)
    thread = thread_id(number)
    return [
        ("event_msg", task_started(name, at_seconds)),
        ("event_msg", item_completed(thread, name, user_item(number, question, 10 * turn), at_seconds)),
        ("event_msg", item_completed(thread, name, agent_item(number, answer, 10 * turn + 1), at_seconds + 2)),
        ("event_msg", task_complete(name, at_seconds + 5, answer)),
    ]


def _end_of_first_turn(number: int, at_seconds: int, answer: str) -> list[tuple[str, dict[str, Any]]]:
    name = turn_id(number, 1)
    return [
        ("event_msg", item_completed(thread_id(number), name, agent_item(number, answer), at_seconds + 2)),
        ("event_msg", task_complete(name, at_seconds + 5, answer)),
    ]


def _usage(tokens: int) -> dict[str, Any]:
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens")
    spent = dict.fromkeys(names, tokens)
    return {"total_token_usage": spent, "last_token_usage": spent, "model_context_window": 258_400}


_LONG_AT = 1_736_078_400 + 60 * LONG_PAGINATED

THREADS: Mapping[int, Stored] = {
    thread.number: thread
    for thread in (
        Stored(number=LEGACY, minute=1, text="Repair the till", meta={"git": GIT}),
        Stored(number=PAGINATED, minute=2, text="Paint the shop", is_paginated=True, meta={"git": GIT}),
        Stored(number=EDITOR, minute=3, text="From an editor", meta={"source": "vscode"}),
        Stored(number=EXEC, minute=4, text="From a script", meta={"source": "exec"}),
        Stored(number=OTHER_PROVIDER, minute=5, text="Of another provider", meta={"model_provider": "other"}),
        Stored(number=SHOP, minute=6, text="In a folder", meta={"cwd": "/srv/shop"}),
        Stored(number=ARCHIVED, minute=7, text="Put away", is_archived=True),
        Stored(number=ARCHIVED_PAGINATED, minute=8, text="Put away too", is_archived=True, is_paginated=True),
        Stored(
            number=CHILD,
            minute=9,
            text="Look at the drawer",
            meta={"source": spawned_by(LEGACY, 1, agent_nickname="Newton", agent_role="explorer")},
        ),
        Stored(
            number=GRANDCHILD,
            minute=10,
            text="Look at the coins",
            is_paginated=True,
            meta={"source": spawned_by(CHILD, 2), "model_provider": "other", "cwd": "/srv/shop"},
        ),
        Stored(number=REVIEWER, minute=11, text="Review this", meta={"source": {"subagent": "review"}}),
        Stored(number=COMPACTOR, minute=12, text="Compact this", meta={"source": {"subagent": "compact"}}),
        Stored(number=CONSOLIDATOR, minute=13, text="Dream", meta={"source": {"subagent": "memory_consolidation"}}),
        Stored(number=CUSTOM, minute=14, text="From a program", meta={"source": {"custom": "chatgpt"}}),
        Stored(number=SERVER, minute=15, text="From a server", meta={"source": "mcp"}),
        Stored(number=STRANGER, minute=16, text="From nowhere", meta={"source": "unknown"}),
        Stored(number=TWIN, minute=17, text="One of two"),
        Stored(number=OTHER_TWIN, minute=17, text="The other of two"),
        Stored(
            number=LONG_LEGACY,
            minute=LONG_LEGACY,
            text="What is here?",
            more=(
                _agent("A till."),
                ("event_msg", {"type": "agent_reasoning", "text": "**Thinking** of coins"}),
                _user("And in it?"),
                _agent("Coins."),
                _agent("And a button."),
                ("event_msg", {"type": "token_count", "info": _usage(500)}),
                _user("Thank you"),
            ),
        ),
        Stored(
            number=LONG_PAGINATED,
            minute=LONG_PAGINATED,
            text="What is there?",
            is_paginated=True,
            more=(
                *_end_of_first_turn(LONG_PAGINATED, _LONG_AT, "A shop."),
                *_later_turn(LONG_PAGINATED, 2, _LONG_AT + 20, "And in it?", "A till."),
                *_later_turn(LONG_PAGINATED, 3, _LONG_AT + 40, "Open it", "It is open."),
            ),
        ),
        Stored(number=SILENT, minute=21),
        Stored(
            number=RESPONSE_ONLY,
            minute=22,
            more=(
                (
                    "response_item",
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Nobody hears me"}]},
                ),
            ),
        ),
        Stored(number=IMAGE_ONLY, minute=23, more=(_user("", images=["data:image/png;base64,AAAA"]), _agent("Nice."))),
        Stored(
            number=REQUEST_IN_CONTEXT,
            minute=24,
            text="# Context from my IDE setup:\n\n## Active file: till.py\n\n## My request for Codex:\n Mend it \n",
        ),
        Stored(
            number=LEGACY_FORK,
            minute=25,
            text="Begun as a copy",
            meta={"forked_from_id": thread_id(LONG_LEGACY)},
            more=(("session_meta", {"id": thread_id(LONG_LEGACY), "cwd": "/", "source": "cli"}), _agent("Go on.")),
        ),
        Stored(
            number=PAGINATED_FORK,
            minute=26,
            text="Gone another way",
            is_paginated=True,
            meta={"forked_from_id": thread_id(LONG_PAGINATED)},
        ),
        Stored(number=NAMED, minute=27, text="Something with a name"),
        Stored(number=UNICODE, minute=28, text="Zażółć gęślą jaźń\nдве строки 😀", is_paginated=True),
        Stored(number=NEEDLE, minute=29, text="Find the needle in the title"),
        Stored(number=NEEDLE_IN_LATER_TURN, minute=30, text="Nothing here", more=(_agent("a needle"), _user("needle"))),
        Stored(number=COMPRESSED, minute=31, text="Compressed since"),
        Stored(
            number=DOS_LINES,
            minute=32,
            raw=Stored(number=DOS_LINES, minute=32, text="Of a DOS").data().replace(b"\n", b"\r\n"),
        ),
        Stored(
            number=TORN, minute=33, raw=Stored(number=TORN, minute=33, text="Cut off").data() + b'{"timestamp":"2025-'
        ),
        Stored(
            number=TIRED,
            minute=37,
            text="Memory off",
            meta={"memory_mode": "disabled", "thread_source": "user"},
            more=(("event_msg", {"type": "token_count", "info": _usage(300)}),),
        ),
    )
}
"""Every thread that belongs to the library, by its number."""

ODD: Sequence[Stored] = (
    Stored(number=MARKED, minute=34, raw=b"\xef\xbb\xbf" + Stored(number=MARKED, minute=34, text="With a mark").data()),
    Stored(
        number=WITHOUT_META,
        minute=35,
        raw=Stored(number=WITHOUT_META, minute=35, text="Without a head").data().partition(b"\n")[2],
    ),
    Stored(
        number=SHORT_MEMBERS,
        minute=36,
        text="With null for much",
        meta={"originator": "", "cli_version": "", "model_provider": None, "git": {"branch": "only"}},
    ),
    Stored(number=OUTER_SPACE, minute=38, text="  \n spaces around \n ", meta={"cwd": "/srv/shop/"}),
)
"""Threads whose first line is missing, hidden or short; each costs the listings of the app-server something."""
