"""How long a client waits for an answer about stored threads: the real Codex binary against memoryd, on the same files.

The rule: both servers are started once on a copy of one home, have indexed it, and are asked the same request about the
same thread in turn, every other time in the opposite order. What is timed is the whole way: the line out, the answer's
line back, parsed. An answer that is an error, or that has fewer threads than were asked for, is an error and not a
measurement. Then both are started again and again, for what the first requests after a start take.
"""

import argparse
import functools
import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.corpus import build_corpus, genuine_templates
from benchmarks.report import Report, Row, interleaved
from tests.interop.app_server.client import AppServer
from tests.interop.app_server.pair import NO_MODEL_URL, Pair, Side, settle_pair
from tests.interop.codex import Codex
from tests.interop.installation import CODEX_VERSION, codex_binary

SECONDS_MAX = 3_600.0
"""The first answer waits for the real binary's backfill."""

PAGE = 25
LIST, READ, UPDATE = "thread/list", "thread/read", "thread/metadata/update"

Params = Mapping[str, Any]
EVERY_PROVIDER: Params = {"modelProviders": [], "limit": PAGE}
KINDS: Params = {"sourceKinds": ["cli", "vscode", "exec"]}


@attrs.frozen
class Question:
    """One request that both are asked again and again.

    Attributes:
      params: by the number of the repeat.
      rows_min: so many threads an answer has at least.
      first: method and parameters of a request that comes right before each repeat, and is not timed.
    """

    name: str
    method: str
    params: Callable[[int], Params]
    repeats: int
    rows_min: int = 0
    first: tuple[str, Callable[[int], Params]] | None = None


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=25_000, help="of each rollout")
    parser.add_argument("--repeats", type=int, default=50, help="of each request")
    parser.add_argument("--searches", type=int, default=5, help="repeats of the title search, which is slow in Codex")
    parser.add_argument("--starts", type=int, default=5, help="of each server, for the first request after a start")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Build the homes, ask both, and print what was found."""
    options = arguments()
    binary = codex_binary()
    with tempfile.TemporaryDirectory(prefix="bench-rpc-") as folder:
        scratch = Path(folder).resolve()
        templates = genuine_templates(binary, scratch / "genuine")
        full = Codex.settle(binary, scratch / "full", NO_MODEL_URL).home
        build_corpus(templates, full, files=options.threads, bytes_each=options.bytes, seed=options.seed)

        def furnish(home: Path) -> None:
            for top in ("sessions", "archived_sessions"):
                if (full / top).exists():
                    shutil.copytree(full / top, home / top)

        pair = settle_pair(binary, scratch / "pair", furnish)
        with pair.codex.running() as codex, pair.memoryd.running() as memoryd:
            for server in (codex, memoryd):
                server.initialize(seconds_max=SECONDS_MAX)
                _wait_until_indexed(server, full)
            rows = _measure(codex, memoryd, options)
        rows += _starts(pair, options)
    Report(
        question="How long does a client wait for an answer about stored threads?",
        settings=vars(options),
        rows=rows,
        versions={"codex": CODEX_VERSION},
    ).show(as_json=options.json)


def _wait_until_indexed(server: AppServer, home: Path) -> None:
    wanted = sum(1 for _ in (home / "sessions").rglob("rollout-*"))
    deadline = time.monotonic() + SECONDS_MAX
    while _count(server, wanted) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"a server did not index {wanted} threads")
        time.sleep(0.5)


def _count(server: AppServer, wanted: int) -> int:
    params: dict[str, Any] = {**EVERY_PROVIDER, **KINDS, "limit": 100}
    seen, cursor = 0, None
    while seen < wanted:
        answer = server.request("thread/list", {**params, "cursor": cursor, "useStateDbOnly": True})
        seen, cursor = seen + len(answer["data"]), answer["nextCursor"]
        if cursor is None:
            break
    return seen


def _questions(codex: AppServer, options: argparse.Namespace) -> list[Question]:
    newest = codex.request("thread/list", {**EVERY_PROVIDER, **KINDS, "limit": 100})["data"]
    rows = min(PAGE, len(newest))
    database_only = {"useStateDbOnly": True}
    search = {"searchTerm": f"Task {options.threads // 2}:"}
    asked = [
        Question("list", LIST, lambda _: {}, options.repeats, rows),
        Question("list, database only", LIST, lambda _: database_only, options.repeats, rows),
        Question("title search", LIST, lambda _: search, options.searches),
        Question("title search, database only", LIST, lambda _: {**search, **database_only}, options.repeats),
    ]
    for form, is_legacy in (("legacy", True), ("newer", False)):
        ids = [thread["id"] for thread in newest if (thread["historyMode"] == "legacy") is is_legacy]
        if not ids:
            continue
        asked += [
            Question(f"read, {form}", READ, functools.partial(_which, ids, options.seed), options.repeats),
            Question(f"metadata/update, {form}", UPDATE, functools.partial(_patch, ids, options.seed), options.repeats),
            Question(
                f"read after metadata/update, {form}",
                READ,
                functools.partial(_which, ids, options.seed + 1),
                options.repeats,
                first=(UPDATE, functools.partial(_patch, ids, options.seed + 1)),
            ),
        ]
    return asked


def _which(ids: Sequence[str], seed: int, number: int) -> Params:
    """One of these threads: for one number the same one, whoever is asked."""
    return {"threadId": random.Random(f"{seed} {number}").choice(ids)}


def _patch(ids: Sequence[str], seed: int, number: int) -> Params:
    return {**_which(ids, seed, number), "gitInfo": {"branch": f"branch {seed} {number}"}}


def _measure(codex: AppServer, memoryd: AppServer, options: argparse.Namespace) -> list[Row]:
    rows = []
    for question in _questions(codex, options):
        contenders = {
            f"{name} {question.name}": _timed(server, question)
            for name, server in (("codex", codex), ("memoryd", memoryd))
        }
        for contender in contenders.values():
            contender()  # once before it counts, so that caches are as warm for the first as for the last
        rows += _compared(question.name, interleaved(contenders, question.repeats), "median ms")
    return rows


def _timed(server: AppServer, question: Question) -> Callable[[], float]:
    numbers = itertools.count()

    def measure() -> float:
        number = next(numbers)
        if question.first is not None:
            method, params = question.first
            server.request(method, params(number), seconds_max=SECONDS_MAX)
        asked = question.params(number)
        if question.method == LIST:
            asked = {**EVERY_PROVIDER, **KINDS, **asked}
        began = time.perf_counter()
        answer = server.request(question.method, asked, seconds_max=SECONDS_MAX)
        milliseconds = (time.perf_counter() - began) * 1_000
        if len(answer.get("data", ())) < question.rows_min:
            raise SystemExit(f"{question.method} answered {len(answer['data'])} threads, not {question.rows_min}")
        return milliseconds

    return measure


def _starts(pair: Pair, options: argparse.Namespace) -> list[Row]:
    """Start both again and again; how long until the handshake is answered, and the first request of each kind."""
    with pair.codex.serving() as codex:
        thread = codex.request(LIST, {**EVERY_PROVIDER, **KINDS})["data"][0]["id"]
    values: dict[str, dict[str, list[float]]] = {}
    for repeat in range(options.starts):
        sides = (("codex", pair.codex), ("memoryd", pair.memoryd))
        for name, side in sides if repeat % 2 == 0 else reversed(sides):
            for what, milliseconds in _one_start(side, thread, f"start {repeat}").items():
                values.setdefault(what, {}).setdefault(f"{name} {what}", []).append(milliseconds)
    return [row for what, taken in values.items() for row in _compared(what, taken, "median ms")]


def _one_start(side: Side, thread: str, branch: str) -> dict[str, float]:
    taken: dict[str, float] = {}
    began = time.perf_counter()
    with side.serving() as server:
        requests: tuple[tuple[str, str, Params], ...] = (
            ("first read after a start", READ, {"threadId": thread}),
            ("first metadata/update", UPDATE, {"threadId": thread, "gitInfo": {"branch": branch}}),
            ("first list", LIST, {**EVERY_PROVIDER, **KINDS}),
        )
        taken["start, until the handshake"] = (time.perf_counter() - began) * 1_000
        for what, method, params in requests:
            began = time.perf_counter()
            server.request(method, params, seconds_max=SECONDS_MAX)
            taken[what] = (time.perf_counter() - began) * 1_000
    return taken


def _compared(name: str, values: Mapping[str, Sequence[float]], figure: str) -> list[Row]:
    return [
        Row(
            name=contender, figure=figure, values=taken, peer=None if contender.startswith("codex") else f"codex {name}"
        )
        for contender, taken in values.items()
    ]


if __name__ == "__main__":
    main()
