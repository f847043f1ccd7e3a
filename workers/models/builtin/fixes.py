"""Commands that failed, and what then worked.

A fix is worth a line when it would save the next session the same detour: a command failed, something was done, and the
same thing then worked. Not worth one: exit codes that are answers (`grep`), a retry that worked by itself, a narrower
run that passed, a mistyped command, and a red test that a change to the code turned green, which is the daily work.
What then worked is told only if nothing destructive was part of it.
"""

import re
from collections.abc import Sequence

import attrs

from state.rollouts.model import ConversationEvent, EventKind
from workers.models.builtin.changes import files_changed, list_of_files
from workers.models.builtin.commands import Command, parse_command
from workers.models.builtin.destructive import is_destructive
from workers.models.builtin.errors import telling_line
from workers.models.builtin.line import code, shorten
from workers.models.builtin.vocabulary import vocabulary, words_of
from workers.models.protocol import NOTE_CHARS_MAX, Note, NoteKind

FIXES_MAX = 5
"""The latest ones; a session with more has one cause behind them."""
STEPS_SHOWN_MAX = 2
"""The last things done before it worked; what came earlier did not make it work."""
FILES_SHOWN_MAX = 3
COMMAND_CHARS_MAX = 100
"""A longer command is recognised by its beginning."""
ERROR_WORDS_OF_TOPIC_MAX = 6
"""Two failures of a command that agree in so many words have one cause."""
INTERRUPTED = frozenset((130, 137, 143))
"""128 + SIGINT, SIGKILL, SIGTERM: somebody stopped it, nothing failed."""

_SETS_UP = vocabulary(
    "install add i ci sync update upgrade migrate build generate gen init lock restore fetch pull up start",
    "enable create apply makemigrations link setup bootstrap tidy download fix compile vendor deps",
)
_SETTING_UP = vocabulary("mkdir cp mv ln touch chmod sed createdb initdb corepack nvm venv virtualenv patch unzip tar")
"""Programs without sub-commands that prepare something for the next one."""
_GIT_SETS_UP = vocabulary("submodule lfs pull fetch init")
_ASSERTS = re.compile(r"AssertionError|assert |FAIL|Failed|.*\bexpect(?:ed)?\b")
_NARROWS = re.compile(
    r"-k|-m|-t|-run|--(?:lf|ff|last-failed|deselect|ignore|run|filter|grep|tests?|skip|test\w+Pattern)\b.*"
)
_INSTALLS = vocabulary("install add i get")
_PIN = re.compile(r"[=<>~!@\[].*")


@attrs.frozen(kw_only=True)
class Run:
    """A command whose exit code says whether it did what it was for.

    Attributes:
      index: of the event within the conversation.
      error: the most telling line of a failure, or ''.
    """

    index: int
    event: ConversationEvent
    command: Command
    error: str

    @property
    def succeeded(self) -> bool:
        """True for exit code 0."""
        return self.event.exit_code == 0


def runs_in(events: Sequence[ConversationEvent]) -> tuple[Run, ...]:
    """The session's runs, in their order: no look-arounds, no pipelines, nothing that somebody interrupted."""
    runs = []
    for index, event in enumerate(events):
        if event.kind is not EventKind.COMMAND or event.exit_code is None or event.exit_code in INTERRUPTED:
            continue
        command = parse_command(event.text)
        if command is not None and not command.only_looks and not command.is_piped:
            error = telling_line(event.output) if event.exit_code else ""
            runs.append(Run(index=index, event=event, command=command, error=error))
    return tuple(runs)


def fixes_in(events: Sequence[ConversationEvent], runs: Sequence[Run], cwd: str) -> list[Note]:
    """The fixes of a session, in their order, at most FIXES_MAX; of two with one topic the later."""
    fixes: dict[str, Note] = {}
    for position, failure in enumerate(runs):
        later = [run for run in runs[position + 1 :] if _has_same_target(failure.command, run.command)]
        if failure.succeeded or not any(run.succeeded for run in later):
            continue
        fix = _fix(events, failure, later[0], cwd)
        if fix is not None:
            fixes.pop(fix.topic, None)
            fixes[fix.topic] = fix
    return list(fixes.values())[-FIXES_MAX:]


def still_failing(runs: Sequence[Run]) -> Run | None:
    """The run that left a session in failure: the last one, if it failed."""
    return runs[-1] if runs and not runs[-1].succeeded else None


def told(command: Command) -> str:
    """A command as a note shows it: its first line in backticks, shortened."""
    first, _, more = command.line.strip().partition("\n")
    return code(f"{first} …" if more else first, COMMAND_CHARS_MAX)


def _has_same_target(failure: Command, other: Command) -> bool:
    """True when the other command was to achieve all that the failed one was, on the same things."""
    if other.purpose != failure.purpose:
        return False
    if any(_NARROWS.fullmatch(word) for word in other.manner if word not in failure.manner):
        return False
    if failure.action in _INSTALLS:
        return {_PIN.sub("", word) for word in failure.operands} == {_PIN.sub("", word) for word in other.operands}
    return failure.operands == other.operands


def _fix(events: Sequence[ConversationEvent], failure: Run, following: Run, cwd: str) -> Note | None:
    """What came between a failure and the next run for the same target, if that got further because of it.

    "Further" is success, or a failure with another error: what was done in between then helped against the first one.
    """
    between = [event for event in events[failure.index + 1 : following.index] if _took_effect(event)]
    commands = [event.text for event in between if event.kind is EventKind.COMMAND]
    if any(is_destructive(text) for text in (failure.event.text, *commands, following.event.text)):
        return None
    steps = [command for text in commands if (command := parse_command(text)) is not None and _sets_up(command)]
    helped = [told(step) for step in steps][-STEPS_SHOWN_MAX:]
    is_other_command = following.command.differs_from(failure.command)
    if not following.succeeded:
        got_past = steps and not is_other_command and following.error not in ("", failure.error)
        return _note(failure, following, f"{' then '.join(helped)} got past that") if got_past else None
    files = files_changed(between, cwd)
    if files and not steps and _is_daily_work(failure):
        return None
    if files and len(helped) < STEPS_SHOWN_MAX:
        helped.insert(0, f"changing {list_of_files(files, FILES_SHOWN_MAX)}")
    if steps or is_other_command:
        return _note(failure, following, f"{' then '.join([*helped, told(following.command)])} worked")
    return _note(failure, following, f"it worked after {helped[0]}") if helped else None


def _took_effect(event: ConversationEvent) -> bool:
    return event.exit_code == 0 if event.kind is EventKind.COMMAND else event.kind is EventKind.PATCH


def _sets_up(command: Command) -> bool:
    if command.program == "git":
        return command.action in _GIT_SETS_UP
    return command.action in _SETS_UP or (command.program in _SETTING_UP and not command.only_looks)


def _is_daily_work(failure: Run) -> bool:
    """True for a failure that says nothing, or that an assertion did not hold: changing code is how that is met."""
    return not failure.error or _ASSERTS.match(failure.error) is not None


def _note(failure: Run, following: Run, what_helped: str) -> Note:
    reason = f"exit {failure.event.exit_code}" + (f": {failure.error}" if failure.error else "")
    error = words_of(failure.error)[:ERROR_WORDS_OF_TOPIC_MAX]
    return Note(
        kind=NoteKind.FIX,
        topic=" ".join(word for word in (*failure.command.purpose, *error) if word),
        text=shorten(f"{told(failure.command)} failed ({reason}); {what_helped}", NOTE_CHARS_MAX),
        line=following.event.line,
        at_ms=following.event.at_ms,
    )
