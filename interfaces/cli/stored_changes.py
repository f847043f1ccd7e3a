"""Changing one stored session, as the requests of `serve` do, and saying in a person's words what became of it."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import trio

from config import Paths
from interfaces.cli.changing import changing
from interfaces.cli.errors import CommandError, NotFoundError, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json
from interfaces.cli.thread_json import thread_json
from interfaces.service import Service
from state.codex_config import provider_default, read_codex_config
from state.ids import ThreadId
from state.messages.thread_edits import KEEP, Keep, MemoryMode
from state.messages.threads import GetThread, ThreadFound
from state.rollouts.filename import thread_id_of
from state.rollouts.meta_line import MetaError
from state.rollouts.writer_lock import ActiveWriterError
from state.thread_editing import GitPatch, patch_git, set_memory_mode, set_name
from state.thread_moving import archive, unarchive
from state.thread_storage import NoRolloutError, ThreadChangeError, ThreadStorage


class ThreadHeldError(CommandError):
    """Another program has the session open."""

    code = "thread_held"
    retryable = True


@attrs.frozen(kw_only=True)
class Change:
    """What is said of a session. name, memory_mode: None where nothing is said."""

    sha: str | Keep | None
    branch: str | Keep | None
    origin_url: str | Keep | None
    name: str | None
    memory_mode: str | None


async def update_session(thread_id: str, change: Change, common: CommonOptions, service: Service) -> None:
    """Say it.

    Raises:
      CommandError: there is nothing to say, no such session, or it cannot be changed now.
    """
    patch = GitPatch(sha=change.sha, branch=change.branch, origin_url=change.origin_url)
    called = None if change.name is None else _text("name", change.name)
    if not patch.said() and called is None and change.memory_mode is None:
        raise UsageError("nothing to update", hint="name what is to change, e.g. --branch main or --no-branch")
    async with _storage(common, service) as storage:
        wanted = await _thread(storage, thread_id)
        with _plain_words():
            if patch.said():
                await patch_git(storage, wanted, patch)
            if called is not None:
                await set_name(storage, wanted, called)
            if change.memory_mode is not None:
                await set_memory_mode(storage, wanted, MemoryMode(change.memory_mode))
        await _show(storage, wanted, f"{wanted} is updated", as_json=common.json)


async def archive_session(thread_id: str, common: CommonOptions, service: Service) -> None:
    """Put it out of sight. Raises CommandError."""
    async with _storage(common, service) as storage:
        wanted = await _thread(storage, thread_id)
        with _plain_words():
            moved = await archive(storage, wanted)
        await _show(storage, wanted, _moved(moved, "archived"), as_json=common.json, archived=list(moved))


async def unarchive_session(thread_id: str, common: CommonOptions, service: Service) -> None:
    """Bring it back. Raises CommandError."""
    async with _storage(common, service) as storage:
        wanted = await _thread(storage, thread_id)
        with _plain_words():
            moved = await unarchive(storage, wanted)
        await _show(storage, wanted, _moved(moved, "brought back"), as_json=common.json, unarchived=list(moved))


@asynccontextmanager
async def _storage(common: CommonOptions, service: Service) -> AsyncIterator[ThreadStorage]:
    paths: Paths = common.paths()
    settings = common.settings(paths)
    config = await trio.to_thread.run_sync(read_codex_config, paths.codex_home)
    async with changing(paths) as handle:
        yield ThreadStorage(
            handle=handle,
            codex_home=paths.codex_home,
            redact=service.redact,
            model_provider_default=provider_default(config, settings.codex.model_provider_default),
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


def choice(option: str, value: str | None, *, cleared: bool) -> str | Keep | None:
    """What becomes of one field: a value, None where it is cleared, or what it is.

    Raises:
      UsageError: both a value and clearing were asked for, or the value is empty.
    """
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
