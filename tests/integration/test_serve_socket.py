"""`memoryd serve --socket`: who may connect, what may be at its place, how it ends, and clients that behave badly."""

import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd
from tests.fakes.serve_process import SECONDS_MAX, Program, connected, program_at, serving_at, wait_until_listening


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path for the socket; short, as such paths have to be."""
    return tmp_path_factory.mktemp("s") / "s"


def _threads(client: Program) -> int:
    return len(client.ask("thread/list", modelProviders=[])["data"])


def test_socket_is_for_its_owner_alone_and_goes_with_the_service(memoryd: Memoryd, place: Path) -> None:
    with serving_at(memoryd, place) as process:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_MAX) == 0
    assert not place.exists()


def test_a_file_at_the_place_of_the_socket_is_left_alone(memoryd: Memoryd, place: Path) -> None:
    place.write_text("mine")
    ended = memoryd("serve", "--socket", str(place))

    assert ended.code != 0
    assert "exists and is no socket" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert place.read_text() == "mine"


def test_a_folder_and_a_link_at_the_place_of_the_socket_are_left_alone(memoryd: Memoryd, place: Path) -> None:
    target = place.with_name("target")
    target.write_text("mine")
    place.symlink_to(target)
    linked = memoryd("serve", "--socket", str(place))
    place.unlink()
    place.mkdir()
    folder = memoryd("serve", "--socket", str(place))

    for ended in (linked, folder):
        assert ended.code != 0
        assert "exists and is no socket" in ended.stderr
    assert target.read_text() == "mine"


def test_a_second_service_does_not_take_the_socket_of_a_living_one(memoryd: Memoryd, place: Path) -> None:
    with serving_at(memoryd, place):
        second = memoryd("serve", "--socket", str(place))

        assert second.code != 0
        assert "another process serves" in second.stderr
        with program_at(place) as client:
            assert _threads(client) == 0


def test_a_path_that_is_too_long_or_nowhere_is_refused_in_a_sentence(memoryd: Memoryd, tmp_path: Path) -> None:
    for path in (tmp_path / ("x" * 150), tmp_path / "nowhere" / "s"):
        ended = memoryd("serve", "--socket", str(path))

        assert ended.code != 0
        assert "Traceback" not in ended.stderr


def test_after_kill_9_the_next_service_serves_at_the_same_place(home: CodexHome, memoryd: Memoryd, place: Path) -> None:
    home.session().user("Please repair the till.")
    with serving_at(memoryd, place) as process, program_at(place) as client:
        before = _threads(client)
        process.kill()
        process.wait(SECONDS_MAX)
    assert stat.S_ISSOCK(place.lstat().st_mode)
    with serving_at(memoryd, place), program_at(place) as client:
        assert _threads(client) == before == 1


def test_many_clients_at_once_are_all_answered(home: CodexHome, memoryd: Memoryd, place: Path) -> None:
    thread = home.session(model_provider="openai")
    thread.user("Please repair the till.")
    seen: list[int] = []

    def ask() -> None:
        with program_at(place) as client:
            for _ in range(10):
                assert client.ask("thread/read", threadId=thread.thread_id)["thread"]["id"] == thread.thread_id
            seen.append(_threads(client))

    with serving_at(memoryd, place):
        with program_at(place) as client:
            assert _threads(client) == 1
        clients = [threading.Thread(target=ask) for _ in range(40)]
        for one in clients:
            one.start()
        for one in clients:
            one.join(SECONDS_MAX)
    assert seen == [1] * 40


def test_a_client_that_reads_nothing_holds_nobody_up(home: CodexHome, memoryd: Memoryd, place: Path) -> None:
    home.session().user("A long story. " * 20_000)
    with serving_at(memoryd, place) as process, connected(place) as deaf, connected(place) as other:
        deaf.shake_hands()
        deaf.connection.settimeout(1)
        sent = 0
        try:
            for _ in range(10_000):
                sent = deaf.send("thread/list", modelProviders=[])
        except TimeoutError:
            pass  # it is not read from any more, as it should be
        other.shake_hands()
        assert _threads(other) == 1
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_MAX) == 0
    assert sent < 9_999


def test_clients_that_leave_in_the_middle_of_an_answer_harm_nobody(
    home: CodexHome, memoryd: Memoryd, place: Path
) -> None:
    home.session().user("A long story. " * 20_000)
    with serving_at(memoryd, place) as process:
        for number in range(20):
            with program_at(place) as client:
                for _ in range(number):
                    client.send("thread/list", modelProviders=[])
                if number % 2:
                    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        with program_at(place) as client:
            assert _threads(client) == 1
        assert process.poll() is None


def test_sigterm_lets_a_busy_service_end_and_a_second_one_changes_nothing(
    home: CodexHome, memoryd: Memoryd, place: Path
) -> None:
    for number in range(20):
        home.session(hours_ago=number + 1).user(f"Number {number}")
    with serving_at(memoryd, place) as process, program_at(place) as client:
        for _ in range(200):
            client.send("thread/list", modelProviders=[])
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_MAX) == 0
    assert not place.exists()
    with serving_at(memoryd, place), program_at(place) as client:
        assert _threads(client) == 20


def test_a_socket_that_was_replaced_is_not_removed_at_the_end(memoryd: Memoryd, place: Path) -> None:
    with serving_at(memoryd, place) as process:
        os.unlink(place)
        place.write_text("somebody else's")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_MAX) == 0
    assert place.read_text() == "somebody else's"


def test_a_service_that_was_stopped_for_a_while_goes_on(memoryd: Memoryd, place: Path) -> None:
    with serving_at(memoryd, place) as process, program_at(place) as client:
        process.send_signal(signal.SIGSTOP)
        asked = client.send("thread/loaded/list")
        time.sleep(0.2)
        process.send_signal(signal.SIGCONT)
        assert client.answer(asked) == {"data": [], "nextCursor": None}
        wait_until_listening(process, place)
