"""Where log entries wait: bounded, counted, and safe to fill from any thread."""

import os
import threading

from state.log_queue import LOG_BATCH_ENTRIES_MAX, LOG_QUEUE_ENTRIES_MAX, LogQueue
from state.messages.logs import LogEntry


def entry(message: str) -> LogEntry:
    """An entry of which only the message matters."""
    return LogEntry(at_ns=0, level="INFO", target="memoryd", message=message)


def test_entries_are_taken_in_their_order_a_batch_at_a_time() -> None:
    queue = LogQueue()
    for number in range(LOG_BATCH_ENTRIES_MAX + 2):
        assert queue.put(entry(str(number)))

    assert [one.message for one in queue.take()] == [str(number) for number in range(128)]
    assert [one.message for one in queue.take()] == ["128", "129"]
    assert queue.take() == ()


def test_what_comes_to_a_full_queue_is_dropped_and_counted_once() -> None:
    queue = LogQueue()
    kept = [queue.put(entry(str(number))) for number in range(LOG_QUEUE_ENTRIES_MAX + 3)]

    assert LOG_QUEUE_ENTRIES_MAX == 512
    assert kept.count(True) == queue.accepted == len(queue) == 512
    assert queue.take_dropped() == 3
    assert queue.take_dropped() == 0
    queue.count_dropped(2)
    assert queue.take_dropped() == 2


def test_a_whole_batch_wakes_whoever_stores() -> None:
    queue, woken = LogQueue(), []
    queue.when_batch_waits(lambda: woken.append(len(queue)))
    for number in range(LOG_BATCH_ENTRIES_MAX - 1):
        queue.put(entry(str(number)))
    assert woken == []
    queue.put(entry("last"))

    assert woken == [LOG_BATCH_ENTRIES_MAX]


def test_threads_fill_it_together_and_nothing_is_lost() -> None:
    queue = LogQueue()

    def fill(name: str) -> None:
        for number in range(100):
            queue.put(entry(f"{name}{number}"))

    threads = [threading.Thread(target=fill, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [one.message for _ in range(4) for one in queue.take()]

    assert sorted(taken) == sorted(f"{name}{number}" for name in "abcd" for number in range(100))
    for name in "abcd":
        assert [text for text in taken if text.startswith(name)] == [f"{name}{number}" for number in range(100)]


def test_processes_are_told_apart_by_number_and_start() -> None:
    first, second = LogQueue().process_uuid, LogQueue().process_uuid

    assert first.startswith(f"pid:{os.getpid()}:")
    assert first != second
