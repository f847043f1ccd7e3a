"""Programs search through a real `memoryd serve`, while files come and others ask."""

from pathlib import Path

from tests.fakes.command import Memoryd
from tests.fakes.compressing import compress_rollout
from tests.fakes.listed_threads import CLI, NEWER, NOWHERE, OTHER_PROVIDER, make_threads
from tests.fakes.serve_process import ServeProcess, serving

MEGABYTE = 1 << 20


def searched(served: ServeProcess, term: str) -> list[tuple[str, str]]:
    """The threads, each with the words around the place."""
    answer = served.ask("thread/search", searchTerm=term)
    return [(one["thread"]["id"], one["snippet"]) for one in answer["data"]]


def test_what_was_said_is_found_in_threads_and_places(tmp_path: Path) -> None:
    home = make_threads(tmp_path / "codex")
    before = home.digest()
    with serving(Memoryd(codex_home=home.path, state_dir=tmp_path / "state"), is_experimental=True) as served:
        assert searched(served, "MEND") == [(OTHER_PROVIDER, "mend it elsewhere"), (CLI, "mend the login")]
        (place,) = served.ask("thread/searchOccurrences", threadId=NEWER, searchTerm="DONE")["data"]
        assert (place["itemId"], place["snippetMatchRange"]) == ("a", {"start": 0, "end": 4})
        assert home.digest() == before

        new = home.session(thread_id=NOWHERE, hours_ago=0.5)
        new.user("a brand new till")
        assert searched(served, "till") == [(NOWHERE, "a brand new till")]
        compress_rollout(new.path)
        assert searched(served, "till") == [(NOWHERE, "a brand new till")]


def test_long_histories_are_searched_while_others_ask(tmp_path: Path) -> None:
    home = make_threads(tmp_path / "codex")
    for number in range(4):
        session = home.session(hours_ago=10 + number)
        session.user(f"a long story, part {number}")
        for _ in range(30):
            session.assistant("hay " * (MEGABYTE // 4))
        session.assistant(f"the needle of part {number}")
    with serving(Memoryd(codex_home=home.path, state_dir=tmp_path / "state"), is_experimental=True) as served:
        first = served.send("thread/search", searchTerm="needle", limit=3)
        second = served.send("thread/search", searchTerm="nobody says this")
        third = served.send("thread/loaded/list")
        answers = served.answers(first, second, third)
        assert [len(answers[one]["result"]["data"]) for one in (first, second, third)] == [3, 0, 0]
        rest = served.ask("thread/search", searchTerm="needle", cursor=answers[first]["result"]["nextCursor"])
        assert [one["snippet"] for one in rest["data"]] == ["the needle of part 3"]
        assert rest["nextCursor"] is None
