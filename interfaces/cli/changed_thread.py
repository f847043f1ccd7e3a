"""What `memoryd threads update|archive|unarchive` do: one stored session is changed, its file and its row."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from config import Paths
from interfaces.cli.changing import changing
from interfaces.cli.errors import CommandError, NotFoundError, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json
from interfaces.cli.thread_json import thread_json
from interfaces.service import Service
from state.ids import ThreadId
from state.messages.thread_edits import KEEP, Keep, MemoryMode
from state.messages.threads import GetThread, ThreadFound
from state.rollouts.filename import thread_id_of
from state.rollouts.meta_line import MetaError
from state.rollouts.writer_lock import ActiveWriterError
from state.thread_editing import GitPatch, patch_git, set_memory_mode, set_name
from state.thread_moving import archive, unarchive
from state.thread_storage import NoRolloutError, ThreadChangeError, ThreadStorage

Choice = tuple[str | None, bool]
"""What an option says of a text, and whether its opposite clears the text."""


class ThreadHeldError(CommandError):
    """Another program has the session open."""

    code = "thread_held"
    retryable = True


def git_patch(*, sha: Choice, branch: Choice, origin_url: Choice) -> GitPatch:
    """What the options say of git.

    Raises:
      UsageError: a text is empty, or is given and cleared at once.
    """
    return GitPatch(
        sha=_choice("sha", *sha), branch=_choice("branch", *branch), origin_url=_choice("origin-url", *origin_url)
    )


async def update(
    common: CommonOptions,
    service: Service,
    thread_id: str,
    patch: GitPatch,
    name: str | None,
    memory_mode: str | None,
) -> int:
    """Say something of a session; answer the exit code. Asking again is safe."""
    called = None if name is None else _text("name", name)
    if not patch.said() and called is None and memory_mode is None:
        raise UsageError("nothing to update", hint="name what is to change, e.g. --branch main or --no-branch")
    async with _storage(common, service) as storage:
        wanted = await _thread(storage, thread_id)
        with _plain_words():
            if patch.said():
                await patch_git(storage, wanted, patch)
            if called is not None:
                await set_name(storage, wanted, called)
            if memory_mode is not None:
                await set_memory_mode(storage, wanted, MemoryMode(memory_mode))
        await _show(storage, wanted, f"{wanted} is updated", as_json=common.json)
    return 0


async def put_away(common: CommonOptions, service: Service, thread_id: str) -> int:
    """Archive a session with those that it has started; answer the exit code."""
    async with _storage(common, service) as storage:
        wanted = await _thread(storage, thread_id)
        with _plain_words():
            moved = await archive(storage, wanted)
        await _show(storage, wanted, _moved(moved, "archived"), as_json=common.json, archived=list(moved))
    return 0


async def bring_back(common: CommonOptions, service: Service, thread_id: str) -> int:
    """Bring an archived session back with those that it has started; answer the exit code."""
    async with _storage(common, service) as storage:
        wanted = await _thread(storage, thread_id)
        with _plain_words():
            moved = await unarchive(storage, wanted)
        await _show(storage, wanted, _moved(moved, "brought back"), as_json=common.json, unarchived=list(moved))
    return 0


@asynccontextmanager
async def _storage(common: CommonOptions, service: Service) -> AsyncIterator[ThreadStorage]:
    paths: Paths = common.paths()
    settings = common.settings(paths)
    async with changing(paths) as handle:
        yield ThreadStorage(
            handle=handle,
            codex_home=paths.codex_home,
            redact=service.redact,
            model_provider_default=settings.codex.model_provider_default,
        )


async def _thread(storage: ThreadStorage, asked: str) -> ThreadId:
    """The id that was meant. A whole one need not be in the index: its rollout may be newer."""
    whole = thread_id_of(asked)
    if whole is not None:
        return whole
    assert storage.handle is not None
    found = await storage.handle.ask(GetThread(thread_id=asked))
    if isinstance(found, ThreadFound):
        return found.thread.id
    similar = ", ".join(found.similar)
    hint = f"several begin like that: {similar}" if similar else "see `memoryd threads list`"
    raise NotFoundError(f"there is no session {asked}", hint=hint)


@contextmanager
def _plain_words() -> Iterator[None]:
    """Say in a person's words why a session could not be changed."""
    try:
        yield
    except NoRolloutError as error:
        raise NotFoundError(str(error), hint="see `memoryd threads list`, also with --archived") from error
    except ActiveWriterError as error:
        raise ThreadHeldError(str(error), hint="end that session, or try again when it has ended") from error
    except (ThreadChangeError, MetaError) as error:
        raise CommandError(str(error)) from error


def _choice(option: str, value: str | None, cleared: bool) -> str | Keep | None:
    if value is None:
        return None if cleared else KEEP
    if cleared:
        raise UsageError(f"--{option} and --no-{option} exclude each other")
    return _text(option, value)


def _text(option: str, value: str) -> str:
    trimmed = value.strip()
    if not trimmed:
        raise UsageError(f"--{option} must not be empty")
    return trimmed


def _moved(ids: tuple[ThreadId, ...], done: str) -> str:
    others = len(ids) - 1
    return f"{ids[0]} is {done}" + (f", and {others} that it has started" if others else "")


async def _show(storage: ThreadStorage, thread_id: ThreadId, sentence: str, *, as_json: bool, **more: Any) -> None:
    if not as_json:
        sys.stdout.write(f"{sentence}\n")
        return
    assert storage.handle is not None
    found = await storage.handle.ask(GetThread(thread_id=thread_id))
    row = thread_json(found.thread, str(storage.codex_home)) if isinstance(found, ThreadFound) else None
    print_json({"thread": row, **more})
