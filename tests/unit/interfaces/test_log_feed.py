"""From log calls to entries: through the real configuration of structlog and logging."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from config.settings import LogSettings
from interfaces.log_feed import MESSAGE_CHARACTERS_MAX
from interfaces.logs import configure_logs
from state.log_queue import LogQueue
from state.messages.logs import LogEntry
from tests.fakes.command import ROOT
from workers.redaction import redact

THREAD = "0199a3f1-0000-7000-8000-00000000abcd"


@pytest.fixture
def queue() -> Iterator[LogQueue]:
    """The queue of a configuration that keeps everything; logging is as it was before, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    queue = LogQueue()
    configure_logs(LogSettings(level="debug"), redact=redact, queue=queue, stderr_level="error")
    yield queue
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def only(queue: LogQueue) -> LogEntry:
    """The one entry that waits."""
    (entry,) = queue.take()
    return entry


def test_entry_says_what_where_and_by_whom(queue: LogQueue) -> None:
    structlog.get_logger("workers.reaper").info("took over", pid=4711, reason="it ended", folders=["a", "b"])
    entry = only(queue)

    assert entry.message == 'took over pid=4711 reason="it ended" folders=["a", "b"]'
    assert (entry.level, entry.target, entry.process_uuid) == ("INFO", "workers.reaper", queue.process_uuid)
    assert entry.at_ns > 1_700_000_000 * 1_000_000_000


def test_place_within_our_own_code_is_named_from_its_root(queue: LogQueue) -> None:
    record = logging.LogRecord(
        "workers.reaper", logging.INFO, str(ROOT / "workers" / "reaper.py"), 41, "hello", None, None
    )
    logging.getLogger().handle(record)
    entry = only(queue)

    assert (entry.file, entry.module, entry.line) == ("workers/reaper.py", "workers.reaper", 41)


def test_place_elsewhere_is_only_a_name(queue: LogQueue) -> None:
    record = logging.LogRecord("httpx", logging.INFO, "/home/ann/.venv/httpx/_client.py", 7, "hello", None, None)
    logging.getLogger().handle(record)
    entry = only(queue)

    assert (entry.file, entry.module, entry.target) == ("_client.py", "httpx", "httpx")


@pytest.mark.parametrize("name", ["thread", "thread_id"])
def test_thread_that_an_entry_is_about_is_a_field(queue: LogQueue, name: str) -> None:
    structlog.get_logger("workers").warning("extraction failed", **{name: THREAD})
    entry = only(queue)

    assert entry.thread_id == THREAD
    assert entry.message == "extraction failed"


def test_what_is_no_thread_stays_in_the_message(queue: LogQueue) -> None:
    structlog.get_logger("workers").warning("extraction failed", thread="main thread")
    entry = only(queue)

    assert entry.thread_id is None
    assert entry.message == 'extraction failed thread="main thread"'


def test_debug_of_libraries_is_left_out_and_ours_is_not(queue: LogQueue) -> None:
    logging.getLogger("httpcore.connection").debug("timer fired")
    logging.getLogger("httpcore.connection").warning("connection lost")
    structlog.get_logger("workers.backfill").debug("scanned")

    assert [entry.message for entry in queue.take()] == ["connection lost", "scanned"]


def test_what_is_below_the_level_is_not_stored(queue: LogQueue) -> None:
    configure_logs(LogSettings(level="warning"), redact=redact, queue=queue)
    structlog.get_logger("workers").info("chatter")
    structlog.get_logger("workers").warning("trouble")

    assert only(queue).message == "trouble"


def test_what_stderr_does_not_show_is_stored_all_the_same(queue: LogQueue, capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger("workers").info("quiet")

    assert only(queue).message == "quiet"
    assert "quiet" not in capsys.readouterr().err


SECRET = "gh" + "p_" + "a1B2c3D4" * 5


class Secretive:
    """Something whose text holds a secret."""

    def __repr__(self) -> str:
        return f"Secretive({SECRET})"


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": f"refused {SECRET}"},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"urls": [f"https://ann:{SECRET}@example.com"]},
        {"what": Secretive()},
        {"thread": SECRET},
        {"api_key": "hunter2hunter2hunter2"},
    ],
    ids=["text", "mapping", "list", "object", "thread", "name tells"],
)
def test_no_secret_is_stored(queue: LogQueue, fields: dict[str, object]) -> None:
    structlog.get_logger("workers").warning("failed", **fields)
    entry = only(queue)

    assert SECRET not in repr(entry)
    assert "hunter2hunter2hunter2" not in repr(entry)


def test_no_secret_of_an_exception_or_of_a_library_is_stored(queue: LogQueue) -> None:
    try:
        raise ValueError(f"cannot use {SECRET}")
    except ValueError:
        structlog.get_logger("workers").exception("crashed")
        logging.getLogger("httpx").exception("sent %s", SECRET)
    ours, theirs = queue.take()

    assert "ValueError" in ours.message
    assert SECRET not in repr(ours)
    assert SECRET not in repr(theirs)


def test_long_message_is_cut(queue: LogQueue) -> None:
    structlog.get_logger("workers").info("word " * 20_000)
    message = only(queue).message

    assert len(message) < MESSAGE_CHARACTERS_MAX + 100
    assert message.endswith(" characters)")


def test_text_that_is_not_utf8_is_stored_escaped(queue: LogQueue) -> None:
    structlog.get_logger("workers").info("path", path="bad\udcff")

    assert only(queue).message == "path path=bad\\udcff"
