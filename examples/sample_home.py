"""Write a small, invented Codex home to try memoryd on: `python examples/sample_home.py DIR`.

All times are relative to now; apart from that the same seed gives the same home. Nothing in it is anybody's: the
person, the projects and the secrets do not exist.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs

if __name__ == "__main__":
    # Of a script, Python looks for modules beside it; these are named from the root of the checkout.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.fake_secrets import FakeSecrets, fake_secrets
from examples.more_sessions import more_sessions
from examples.rollout_lines import Rollout, iso, rollout
from examples.sample_sessions import sample_sessions
from examples.story import Session

HOUR_MS = 3_600_000


@attrs.frozen(kw_only=True)
class SampleHome:
    """What was written.

    Attributes:
      paths: the rollout file of each session, by the session's key.
      thread_ids: the same for thread ids.
      secrets: what was hidden in it; none of them may ever come out of memoryd.
    """

    paths: Mapping[str, Path]
    thread_ids: Mapping[str, str]
    secrets: FakeSecrets


def write_sample_home(home: Path, *, now_ms: int, seed: int = 1, sessions: int | None = None) -> SampleHome:
    """Write the sample sessions into `home`, which must be empty if it exists.

    Args:
      sessions: how many. Fewer than the sample has: its first ones; more: the rest is drawn at random. None: the
        sample.

    Raises:
      FileExistsError: there is something in `home`, which may be somebody's real one.
    """
    home.mkdir(parents=True, exist_ok=True)
    if any(home.iterdir()):
        raise FileExistsError(f"{home} is not empty")
    secrets = fake_secrets(random.Random(seed))
    story = sample_sessions(secrets)
    chosen = story[:sessions]
    if sessions is not None and sessions > len(story):
        chosen += more_sessions(sessions - len(story), random.Random(seed))
    paths, thread_ids, names = {}, {}, []
    for number, session in enumerate(chosen):
        ended_at_ms = now_ms - round(session.ended_hours_ago * HOUR_MS)
        # A generator for each session: what one draws does not change the next.
        written = rollout(session, ended_at_ms=ended_at_ms, rng=random.Random(f"{seed}/{number}"))
        paths[session.key] = _write(home, session, written)
        thread_ids[session.key] = written.thread_id
        if session.name is not None:
            named = {"id": written.thread_id, "thread_name": session.name, "updated_at": iso(ended_at_ms)}
            names.append(json.dumps(named) + "\n")
    (home / "session_index.jsonl").write_text("".join(names), encoding="utf-8")
    return SampleHome(paths=paths, thread_ids=thread_ids, secrets=secrets)


def _write(home: Path, session: Session, written: Rollout) -> Path:
    began = datetime.fromtimestamp(written.began_at_ms // 1_000, UTC)
    folder = home / "archived_sessions" if session.archived else home / "sessions" / f"{began:%Y/%m/%d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rollout-{began:%Y-%m-%dT%H-%M-%S}-{written.thread_id}.jsonl"
    path.write_text(written.text, encoding="utf-8")
    ended_at_ns = written.ended_at_ms * 1_000_000
    os.utime(path, ns=(ended_at_ns, ended_at_ns))
    return path


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a small, invented Codex home to try memoryd on.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="where; made if it does not exist")
    parser.add_argument("--sessions", type=int, help="how many sessions (default: the twelve of the sample)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives another home (default: 1)")
    options = parser.parse_args()
    if options.sessions is not None and options.sessions < 1:
        parser.error("--sessions must be 1 or more")
    now_ms = time.time_ns() // 1_000_000
    try:
        home = write_sample_home(options.folder, now_ms=now_ms, seed=options.seed, sessions=options.sessions)
    except OSError as problem:
        parser.exit(1, f"{problem}\n")
    print(f"{len(home.paths)} sessions in {options.folder}")


if __name__ == "__main__":
    main()
