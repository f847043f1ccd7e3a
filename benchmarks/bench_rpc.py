"""How long a client waits for an answer about stored threads: the real Codex binary against memoryd, on the same files.

The rule: both servers are started once on a copy of one home, have indexed it, and are asked the same request in turn,
every other time in the opposite order. What is timed is the whole way: the line out, the answer's line back, parsed. An
answer that is an error, or that has fewer threads than were asked for, is an error and not a measurement.
"""

import argparse
import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.corpus import build_corpus, genuine_templates
from benchmarks.report import Report, Row, interleaved
from tests.interop.app_server.client import AppServer
from tests.interop.app_server.pair import NO_MODEL_URL, settle_pair
from tests.interop.codex import Codex
from tests.interop.installation import CODEX_VERSION, codex_binary

SECONDS_MAX = 3_600.0
"""The first answer waits for the real binary's backfill."""

PAGE = 25
EVERY_PROVIDER: Mapping[str, Any] = {"modelProviders": [], "limit": PAGE}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=25_000, help="of each rollout")
    parser.add_argument("--repeats", type=int, default=50, help="of each request")
    parser.add_argument("--searches", type=int, default=5, help="repeats of the title search, which is slow in Codex")
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
    params: dict[str, Any] = {**EVERY_PROVIDER, "limit": 100, "sourceKinds": ["cli", "vscode", "exec"]}
    seen, cursor = 0, None
    while seen < wanted:
        answer = server.request("thread/list", {**params, "cursor": cursor, "useStateDbOnly": True})
        seen, cursor = seen + len(answer["data"]), answer["nextCursor"]
        if cursor is None:
            break
    return seen


def _measure(codex: AppServer, memoryd: AppServer, options: argparse.Namespace) -> list[Row]:
    first = codex.request("thread/list", {**EVERY_PROVIDER, "limit": 100, "sourceKinds": ["exec", "vscode", "cli"]})
    ids = [thread["id"] for thread in first["data"]]
    wanted = min(PAGE, len(ids))
    task = f"Task {options.threads // 2}:"
    branches = itertools.count()
    chosen = random.Random(options.seed)
    kinds = {"sourceKinds": ["cli", "vscode", "exec"]}
    requests: dict[str, tuple[str, Callable[[], Mapping[str, Any]], int, int]] = {
        "list": ("thread/list", lambda: {**EVERY_PROVIDER, **kinds}, wanted, options.repeats),
        "list, database only": (
            "thread/list",
            lambda: {**EVERY_PROVIDER, **kinds, "useStateDbOnly": True},
            wanted,
            options.repeats,
        ),
        "title search": ("thread/list", lambda: {**EVERY_PROVIDER, **kinds, "searchTerm": task}, 0, options.searches),
        "title search, database only": (
            "thread/list",
            lambda: {**EVERY_PROVIDER, **kinds, "searchTerm": task, "useStateDbOnly": True},
            0,
            options.repeats,
        ),
        "read": ("thread/read", lambda: {"threadId": chosen.choice(ids)}, 0, options.repeats),
        "metadata/update": (
            "thread/metadata/update",
            lambda: {"threadId": chosen.choice(ids), "gitInfo": {"branch": f"branch {next(branches)}"}},
            0,
            options.repeats,
        ),
    }
    rows = []
    for name, (method, params, rows_min, repeats) in requests.items():
        contenders = {
            f"codex {name}": _timed(codex, method, params, rows_min),
            f"memoryd {name}": _timed(memoryd, method, params, rows_min),
        }
        for contender in contenders.values():
            contender()  # once before it counts, so that caches are as warm for the first as for the last
        values = interleaved(contenders, repeats)
        for contender_name, taken in values.items():
            peer = None if contender_name.startswith("codex") else f"codex {name}"
            rows.append(Row(name=contender_name, figure="median ms", values=taken, peer=peer))
    return rows


def _timed(
    server: AppServer, method: str, params: Callable[[], Mapping[str, Any]], rows_min: int
) -> Callable[[], float]:
    def measure() -> float:
        asked = params()
        began = time.perf_counter()
        answer = server.request(method, asked, seconds_max=SECONDS_MAX)
        milliseconds = (time.perf_counter() - began) * 1_000
        if len(answer.get("data", ())) < rows_min:
            raise SystemExit(f"{method} answered {len(answer['data'])} threads, not {rows_min}")
        return milliseconds

    return measure


if __name__ == "__main__":
    main()
