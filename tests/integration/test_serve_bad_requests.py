"""`memoryd serve --stdio` and requests that are wrong: they are refused in words, and write nothing elsewhere."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.fakes.command import Memoryd
from tests.fakes.rude_client import THREAD, line_of, nothing_else_written, talk
from tests.fakes.serve_process import SECONDS_MAX

METHODS_WITH_THREAD = (
    "thread/read",
    "thread/metadata/update",
    "thread/name/set",
    "thread/memoryMode/set",
    "thread/archive",
    "thread/unarchive",
    "thread/delete",
    "thread/resume",
    "thread/fork",
    "thread/turns/list",
    "turn/start",
    "turn/interrupt",
)


WRONG_REQUESTS = (
    (b'{"id":1,"method":"no/such/method","params":{}}', "Invalid request: unknown variant `no/such/method`"),
    (b'{"id":1,"method":"","params":{}}', "Invalid request: unknown variant ``"),
    (b'{"id":1,"method":"thread/read"}', "Invalid request: missing field `params`"),
    (b'{"id":1,"method":"thread/read","params":null}', "Invalid request: missing field `params`"),
    (b'{"id":1,"method":"thread/read","params":"x"}', "Invalid request: invalid type: string"),
    (b'{"id":1,"method":"thread/read","params":{"threadId":[]}}', "Invalid request: invalid type: sequence"),
    (b'{"id":1,"method":"thread/loaded/list","params":{"limit":1e999}}', ""),
    (b'{"id":1,"method":"thread/read","params":{"threadId":"\\ud800"}}', ""),
    (b'{"id":1,"method":"thread/read","params":{"threadId":"\\u0000"}}', "invalid thread id: "),
    (b'{"id":1,"method":"initialize","params":{"clientInfo":{"name":"x","version":"1"}}}', "Already initialized"),
)
"""Each with the beginning of the words, which are the message of an invalid request; "" where any error will do."""


def test_a_wrong_request_is_refused_in_words(memoryd: Memoryd) -> None:
    lines = [line.replace(b'"id":1', b'"id":%d' % number) for number, (line, _) in enumerate(WRONG_REQUESTS)]
    answers = {answer["id"]: answer for answer in talk(memoryd, *(line + b"\n" for line in lines))}

    for number, (_, words) in enumerate(WRONG_REQUESTS):
        if words:
            assert answers[number]["error"]["code"] == -32600
            assert answers[number]["error"]["message"].startswith(words)
    assert all("error" in answer for answer in answers.values())


def test_ids_that_look_like_paths_reach_no_file(memoryd: Memoryd, thread: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_bytes(thread.read_bytes())
    looks = ("../../secret", "/etc/passwd", str(thread), str(secret), f"{THREAD}/../x", f"../{THREAD}", "~", "")
    bad = (*looks, "*", "\0", f"{THREAD}\0", f" {THREAD}", f"{THREAD} ", "-" * 36, "0" * 31, "x" * 10_000)
    more = {"gitInfo": {"branch": "x"}, "name": "x", "mode": "disabled", "input": [], "turnId": "x"}
    calls = [(method, {"threadId": text, **more}) for method in METHODS_WITH_THREAD for text in bad]
    with nothing_else_written(tmp_path, but=memoryd.state_dir):
        answers = talk(memoryd, *(line_of({"id": n, "method": m, "params": p}) for n, (m, p) in enumerate(calls)))
    assert sorted(answer["id"] for answer in answers) == list(range(len(calls)))
    assert all("error" in answer for answer in answers)


WRONG: tuple[Any, ...] = (None, 5, -1, 1.5, True, "x", [], {}, [[]], {"x": {}}, 2**70)


def test_wrong_types_everywhere_are_refused_or_ignored_and_change_nothing(
    memoryd: Memoryd, thread: Path, tmp_path: Path
) -> None:
    members = ("threadId", "limit", "cursor", "sortKey", "sortDirection", "archived", "cwd", "modelProviders",
               "sourceKinds", "searchTerm", "useStateDbOnly", "parentThreadId", "includeTurns", "clientInfo",
               "capabilities", "excludedThreadIds", "originators")  # fmt: skip
    methods = (*METHODS_WITH_THREAD, "thread/list", "thread/loaded/list")
    calls: list[tuple[str, Any]] = []
    for wrong in WRONG:
        calls += [("thread/list", {member: wrong}) for member in members]
        calls += [("thread/read", {"threadId": THREAD, "includeTurns": wrong})]
        calls += [(method, wrong) for method in methods]
        calls += [(method, {"threadId": wrong}) for method in METHODS_WITH_THREAD]
    with nothing_else_written(tmp_path, but=memoryd.state_dir):
        answers = talk(memoryd, *(line_of({"id": n, "method": m, "params": p}) for n, (m, p) in enumerate(calls)))
    assert len({answer["id"] for answer in answers}) == len(calls)


def test_requests_before_the_handshake_are_refused_and_change_nothing(
    memoryd: Memoryd, thread: Path, tmp_path: Path
) -> None:
    calls = [
        ("thread/metadata/update", {"threadId": THREAD, "gitInfo": {"branch": "x"}}),
        ("thread/archive", {"threadId": THREAD}),
        ("thread/delete", {"threadId": THREAD}),
        ("thread/list", {}),
    ]
    with nothing_else_written(tmp_path, but=memoryd.state_dir):
        ended = subprocess.run(
            memoryd.arguments("serve", "--stdio"),
            env=memoryd.environment(),
            input=b"".join(line_of({"id": n, "method": m, "params": p}) for n, (m, p) in enumerate(calls)),
            capture_output=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    answers = {json.loads(line)["id"]: json.loads(line) for line in ended.stdout.splitlines()}
    assert [answers[n]["error"]["message"] for n in range(len(calls))] == ["Not initialized"] * len(calls)
