"""The story that a person reads, and its digest."""

from chaos.story import Story, readable


def story_of(*events: tuple[int, str, str]) -> Story:
    """A story in which this happened: when, who, what."""
    now = [0]
    story = Story(lambda: now[0])
    for at_ms, who, text in events:
        now[0] = at_ms
        story.tell(who, text)
    return story


def test_digest_is_of_everything_that_happened_and_when() -> None:
    same = story_of((1, "s1.1", "starts"), (5, "s1.1", "ends"))

    assert story_of((1, "s1.1", "starts"), (5, "s1.1", "ends")).digest() == same.digest()
    assert story_of((1, "s1.1", "starts"), (6, "s1.1", "ends")).digest() != same.digest()
    assert story_of((1, "s1.1", "starts")).digest() != same.digest()


def test_what_nobody_wants_to_read_is_in_the_digest_alone() -> None:
    quiet = story_of((1, "s1.1", "starts"))
    before = quiet.digest()
    quiet.note("s1.1", "looked in vain")

    assert quiet.digest() != before
    assert [event.text for event in quiet.last(10)] == ["starts"]


def test_last_events_are_those_of_each_service_over_all_its_lives() -> None:
    story = story_of((1, "s1.1", "a"), (2, "s2.1", "b"), (3, "s1.2", "c"), (4, "s1.2", "d"))

    assert [event.text for event in story.last(2)] == ["b", "c", "d"]


def test_story_is_one_line_an_event() -> None:
    assert readable(story_of((1500, "s1.1", "starts")).last(5)) == "     1.500 s  s1.1     starts"


def test_path_that_differs_from_run_to_run_is_left_out() -> None:
    told = [Story(lambda: 1, hidden=path) for path in ("/dev/shm/a-1", "/tmp/b")]
    for story, path in zip(told, ("/dev/shm/a-1", "/tmp/b"), strict=True):
        story.tell("s1.1", f"{path}/state.sqlite is locked")

    assert told[0].digest() == told[1].digest()
    assert [event.text for event in told[0].last(1)] == ["/state.sqlite is locked"]
