"""A Codex home of any size, cloned from rollouts that the real binary wrote.

The rule: a clone keeps every genuine line, and has ids, times and a first message of its own. To reach the wanted
size its turn is repeated until about half of the bytes are there, and its tool outputs are lengthened for the rest;
a size below that of one genuine turn cuts the base instructions, which are most of a short rollout.
The same templates and seed give the same bytes.
"""

import json
import os
import random
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import attrs

from state.ids import ThreadId
from tests.fakes.model_server import fake_model_server
from tests.interop.codex import Codex
from tests.interop.genuine_home import legacy_thread, run_commands

NEWEST_AT_SECONDS = 1_767_225_600
"""2026-01-01: the corpus ends there, whenever it is built, so that it does not depend on the day."""

SPAN_SECONDS = 200 * 86_400
"""The sessions of somebody who has used the agent for a good half year."""

TURN_SECONDS = 60
PIECE_BYTES = 1_000_000
ARCHIVED_SHARE = 0.1

TASK_MARK = "@TASK@"
OUTPUT_MARK = "@OUTPUT@"
INSTRUCTIONS_MARK = "@INSTRUCTIONS@"
"""Where a clone's own text goes. The marks hold nothing that JSON would escape."""

_STAMPS = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<iso>\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"
    r'|"(?P<key>started_at|completed_at|create_time|started_at_ms|completed_at_ms)":(?P<number>\d+)(?:\.\d+)?'
)
_ORDINAL = re.compile(r'"ordinal":\d+')


@attrs.frozen(kw_only=True)
class Template:
    """A genuine rollout, cut up as text with marks in it.

    Attributes:
      head: the session_meta line.
      first_turn: from task_started to task_complete, each line with its newline.
      next_turn: the same without what Codex says only once in a session.
      instructions: the JSON text of the base instructions, without its quotes.
      thread_id, began_at_ms: what the clones replace.
      paginated: whether the lines carry ordinals.
    """

    head: str
    first_turn: str
    next_turn: str
    instructions: str
    thread_id: str
    began_at_ms: int
    paginated: bool

    @classmethod
    def from_rollout(cls, text: str) -> "Template":
        """Cut up the lines of one rollout whose first turn runs a command and ends."""
        lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        head = lines[0]
        kinds = [line["payload"].get("type") for line in lines]
        turn = lines[kinds.index("task_started") : kinds.index("task_complete") + 1]
        instructions = head["payload"]["base_instructions"]["text"]
        head["payload"]["base_instructions"]["text"] = INSTRUCTIONS_MARK
        for line in turn:
            _mark(line["payload"])
        return cls(
            head=_text([head]),
            first_turn=_text(turn),
            next_turn=_text([line for line in turn if not _is_said_once(line)]),
            instructions=json.dumps(instructions, ensure_ascii=False)[1:-1],
            thread_id=head["payload"]["id"],
            began_at_ms=_milliseconds(head["timestamp"]),
            paginated=head["payload"]["history_mode"] == "paginated",
        )

    def brief(self) -> "Template":
        """The same session with nothing in it but what was said: some two kilobytes, without most of its settings."""
        lines = [json.loads(line) for line in self.first_turn.splitlines()]
        said = [line for line in lines if _is_brief(line["payload"])]
        return attrs.evolve(self, first_turn=_text(said), next_turn=_text(said))


def genuine_templates(binary: Path, root: Path) -> tuple[Template, Template]:
    """Let the real binary write one rollout in each line format, below `root`: (paginated, legacy)."""
    with fake_model_server() as model:
        codex = Codex.settle(binary, root, model.url)
        paginated = run_commands(codex, model, root / "bakery")
        with codex.app_server(root) as server:
            server.initialize()
            legacy = legacy_thread(server, model, root)
    return _template(codex, paginated), _template(codex, legacy)


def _template(codex: Codex, thread: ThreadId) -> Template:
    (path,) = codex.home.glob(f"sessions/**/rollout-*-{thread}.jsonl")
    return Template.from_rollout(path.read_text(encoding="utf-8"))


def build_corpus(templates: Sequence[Template], home: Path, *, files: int, bytes_each: int, seed: int) -> int:
    """Write `files` clones of about `bytes_each` bytes into `home`, the templates in turn. Returns all their bytes."""
    rng = random.Random(seed)
    filler = _filler(rng, bytes_each)
    written = 0
    for number in range(files):
        at_seconds = NEWEST_AT_SECONDS - round((files - number) * SPAN_SECONDS / files)
        thread, text = clone(
            templates[number % len(templates)],
            at_ms=at_seconds * 1_000 + number % 1_000,
            bytes_wanted=bytes_each,
            task=f"Task {number}: look around",
            rng=rng,
            filler=filler,
        )
        began = datetime.fromtimestamp(at_seconds, UTC)
        archived = rng.random() < ARCHIVED_SHARE
        folder = home / "archived_sessions" if archived else home / "sessions" / f"{began:%Y/%m/%d}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"rollout-{began:%Y-%m-%dT%H-%M-%S}-{thread}.jsonl"
        data = text.encode()
        path.write_bytes(data)
        os.utime(path, (at_seconds + 3_600, at_seconds + 3_600))
        written += len(data)
    return written


def build_large(template: Template, home: Path, *, bytes_wanted: int, seed: int) -> int:
    """Write one rollout of any size into `home`: the turns of one session of PIECE_BYTES again and again, their ids and
    times too, so that it need not be held in memory. Returns its bytes."""
    rng = random.Random(seed)
    filler = _filler(rng, PIECE_BYTES)
    at_ms = NEWEST_AT_SECONDS * 1_000
    thread, text = clone(
        template, at_ms=at_ms, bytes_wanted=PIECE_BYTES, task="Task 0: look around", rng=rng, filler=filler
    )
    began = datetime.fromtimestamp(NEWEST_AT_SECONDS, UTC)
    folder = home / "sessions" / f"{began:%Y/%m/%d}"
    folder.mkdir(parents=True, exist_ok=True)
    head, _, turns = text.encode().partition(b"\n")
    with open(folder / f"rollout-{began:%Y-%m-%dT%H-%M-%S}-{thread}.jsonl", "wb") as file:
        written = file.write(head + b"\n")
        while written < bytes_wanted:
            written += file.write(turns)
    return written


def clone(
    template: Template, *, at_ms: int, bytes_wanted: int, task: str, rng: random.Random, filler: str
) -> tuple[ThreadId, str]:
    """A rollout that began at `at_ms`: its thread id and its text.

    Args:
      filler: at least bytes_wanted characters of plain ASCII; what tool outputs are lengthened with.
    """
    thread = ThreadId(_uuid7(at_ms, rng))
    bare_bytes = len((template.head + template.first_turn).encode())
    # A cut may not end in the middle of an escape.
    instructions = template.instructions[: max(0, bytes_wanted - bare_bytes)].rstrip("\\")
    left_bytes = bytes_wanted - bare_bytes - len(instructions)
    next_turns = max(0, left_bytes) // (2 * len(template.next_turn.encode()))
    left_bytes -= next_turns * len(template.next_turn.encode())
    output_marks = template.first_turn.count(OUTPUT_MARK) + next_turns * template.next_turn.count(OUTPUT_MARK)
    output_chars = max(0, left_bytes) // output_marks if output_marks else 0

    # Times and ids first: they are looked for in the template's text, not in all that is filled into it.
    parts = [template.head + template.first_turn, *[template.next_turn] * next_turns]
    text = "".join(
        _restamp(part, template, thread, at_ms + index * TURN_SECONDS * 1_000, rng) for index, part in enumerate(parts)
    )
    if template.paginated:
        ordinals = count()
        text = _ORDINAL.sub(lambda _: f'"ordinal":{next(ordinals)}', text)
    start = rng.randrange(len(filler) - output_chars + 1)
    text = text.replace(OUTPUT_MARK, filler[start : start + output_chars])
    return thread, text.replace(TASK_MARK, task).replace(INSTRUCTIONS_MARK, instructions)


def _restamp(text: str, template: Template, thread: str, at_ms: int, rng: random.Random) -> str:
    """Move every time by as much as the clone is younger, and give every id but the thread's a new one."""
    later_ms = at_ms - template.began_at_ms
    new_ids = {template.thread_id: thread}

    def replaced(match: re.Match[str]) -> str:
        if old := match["uuid"]:
            if old not in new_ids:
                new_ids[old] = _uuid7(at_ms, rng)
            return new_ids[old]
        if iso := match["iso"]:
            return _iso(_milliseconds(iso) + later_ms)
        later = later_ms if match["key"].endswith("_ms") else later_ms // 1_000
        return f'"{match["key"]}":{int(match["number"]) + later}'

    return _STAMPS.sub(replaced, text)


def _mark(payload: dict[str, Any]) -> None:
    """Put the marks where a prompt or a tool's output stands in this line."""
    item = payload.get("item", {})
    if payload.get("type") == "function_call_output":
        payload["output"] += OUTPUT_MARK
    elif item.get("type") == "CommandExecution":
        item["aggregated_output"] += OUTPUT_MARK
    elif item.get("type") == "UserMessage":
        item["content"][0]["text"] = TASK_MARK
    elif payload.get("type") == "user_message":
        payload["message"] = TASK_MARK
    elif payload.get("role") == "user" and not _is_environment(payload):
        payload["content"][0]["text"] = TASK_MARK


def _is_said_once(line: dict[str, Any]) -> bool:
    payload = line["payload"]
    return line["type"] == "world_state" or payload.get("role") == "developer" or _is_environment(payload)


def _is_brief(payload: dict[str, Any]) -> bool:
    kinds = ("task_started", "task_complete", "user_message", "agent_message")
    return payload.get("type") in kinds or payload.get("item", {}).get("type") in ("UserMessage", "AgentMessage")


def _is_environment(payload: dict[str, Any]) -> bool:
    return payload.get("role") == "user" and str(payload["content"][0]["text"]).startswith("<environment_context>")


def _text(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def _filler(rng: random.Random, chars: int) -> str:
    """At least `chars` characters that look like a listing, without anything that JSON escapes."""
    lines = []
    while chars >= 0:
        lines.append(f"src/module_{rng.randrange(1_000)}.py:{rng.randrange(1_000)}: value = {rng.randrange(10**6)}  ")
        chars -= len(lines[-1])
    return "".join(lines)


def _uuid7(at_ms: int, rng: random.Random) -> str:
    bits = at_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return str(uuid.UUID(int=bits))


def _milliseconds(iso: str) -> int:
    return round(datetime.fromisoformat(iso).timestamp() * 1_000)


def _iso(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"
