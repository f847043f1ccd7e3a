"""What must be true after every commit, whatever was broken: one law a function, kept apart from what breaks things.

A law sees two moments and who came between them. It knows nothing of requests and rules: only what the rows said
before, what they say now, which processes really live, and what the clocks of the simulation really say.
"""

import os
from collections.abc import Callable, Iterator

import attrs

from chaos.requests.law import one_request_does_what_it_says
from chaos.rows import RowKey
from chaos.step import Step
from chaos.thread_laws import (
    a_moved_job_is_nobodys,
    a_revision_grows_by_new_content_alone,
    a_thread_is_its_best_file,
    has_moved,
)
from state.ids import Scope
from state.messages.extraction import ATTEMPTS_MAX
from state.rules.scopes import scope_link

Law = Callable[[Step], Iterator[str]]


def fencing_numbers_only_grow(step: Step) -> Iterator[str]:
    """A fencing number never goes back, and every new token has a greater one than the token before."""
    for key, before, now in step.lease_changes():
        last = before.fencing_number if before is not None else 0
        if now.fencing_number < last:
            yield f"{_name(key)}: the fencing number went from {last} back to {now.fencing_number}"
        elif before is not None and now.token not in (None, before.token) and now.fencing_number == last:
            yield f"{_name(key)}: two tokens have the fencing number {last}"


def a_token_is_granted_once(step: Step) -> Iterator[str]:
    """A token that lost its row never has a row again."""
    for key, _, now in step.lease_changes():
        if now.token in step.ledger.gone:
            yield f"{_name(key)}: the token {_short(now.token)} is back, with the fencing number {now.fencing_number}"


def nobody_is_robbed(step: Step) -> Iterator[str]:
    """A row changes its owner only when the owner itself gives it up, has died, or has let its lease end."""
    for key, before, now in step.lease_changes():
        if before is None or before.token is None or before.token == now.token:
            continue
        if before.process in (step.actor, None) or before.process not in step.living or step.is_over(key):
            continue
        if step.may_take_over(now.token) or has_moved(step, key):
            continue
        left_ms = step.ledger.granted[key].until_boot_ms - step.boot_ms
        to = f"given to {_short(now.process)}" if now.token else "freed"
        yield f"{_name(key)}: {to} while {_short(before.process)} lived and had {left_ms} ms of its lease left"


def only_the_owner_renews(step: Step) -> Iterator[str]:
    """A lease is extended by the process that holds it, or by who shows its token, and by nobody else."""
    for key, before, now in step.lease_changes():
        if before is None or now.token is None or now.token != before.token or step.actor in ("", now.process):
            continue
        if step.lease_ms_of(now.token) is not None:
            continue
        yield f"{_name(key)}: the lease of {_short(now.process)} was changed by {_short(step.actor)}"


def marks_and_revisions_only_grow(step: Step) -> Iterator[str]:
    """What counts the changes of something never counts backwards, and nothing is consolidated before it is there."""
    if step.before.scopes is not step.after.scopes:
        for key, now in step.after.scopes.items():
            before = step.before.scopes.get(key)
            if now.consolidated_mark > now.inputs_mark:
                yield f"scope {key}: consolidated up to {now.consolidated_mark} of {now.inputs_mark}"
            if before is None:
                continue
            for what in ("inputs_mark", "consolidated_mark", "generation"):
                if getattr(now, what) < getattr(before, what):
                    yield f"scope {key}: {what} went from {getattr(before, what)} back to {getattr(now, what)}"
        for key in step.before.scopes.keys() - step.after.scopes.keys():
            yield f"scope {key}: its row is gone"
    if step.before.revisions is not step.after.revisions:
        for thread, revision in step.before.revisions.items():
            if step.after.revisions.get(thread, 0) < revision:
                yield f"thread {thread}: its content revision went from {revision} back"
    for key, before_job, job in step.job_changes():
        if before_job is not None and before_job.scope_key != job.scope_key:
            continue
        if before_job is not None and (job.done_revision or 0) < (before_job.done_revision or 0):
            yield f"job {key}: done up to {job.done_revision}, and it was done up to {before_job.done_revision}"


def memories_are_kept(step: Step) -> Iterator[str]:
    """A memory does not go by itself, and one that changes gets a later time."""
    if step.before.memories is step.after.memories:
        return
    for key, before in step.before.memories.items():
        now = step.after.memories.get(key)
        if now is None:
            if has_moved(step, ("extraction", key[0])):
                continue
            yield f"the memory of {key[0]} is gone"
        elif now.text != before.text and now.updated_at_ms <= before.updated_at_ms:
            yield f"the memory of {key[0]} changed, and its time did not grow"


def attempts_shrink_only_by_new_content(step: Step) -> Iterator[str]:
    """The attempts of a job are set back by a success or by new content, and never pass their limit."""
    for key, before, now in step.job_changes():
        if now.attempts - now.given_back > ATTEMPTS_MAX:
            yield f"job {key}: {now.attempts - now.given_back} attempts came to nothing, and it is claimed again"
        if before is None or now.attempts >= before.attempts or now.scope_key != before.scope_key:
            continue
        revision = step.after.revisions.get(key, 0)
        is_new = revision > max(before.claimed_revision or 0, before.done_revision or 0)
        is_done = now.done_revision is not None and now.done_revision == (before.claimed_revision or now.done_revision)
        if not (is_new or (is_done and now.attempts <= 1)):
            yield f"job {key}: attempts went from {before.attempts} back to {now.attempts} without new content"


def a_job_is_in_one_state(step: Step) -> Iterator[str]:
    """A job that runs has an owner and a lease, and any other has neither; what ended badly says why."""
    for key, _, now in step.job_changes():
        lease = step.after.leases["extraction", key]
        owned = [value is not None for value in (lease.token, lease.process, lease.until_boot_ms, lease.boot_id)]
        if any(owned) != (now.status == "running") or any(owned) != all(owned):
            yield f"job {key}: it is {now.status}, and its lease says {lease}"
        if now.status in ("dead", "retry") and not now.reason:
            yield f"job {key}: it is {now.status} and does not say why"
        if now.status == "retry" and now.next_attempt_at_ms is None:
            yield f"job {key}: it waits to be tried again, for ever"


def what_was_acknowledged_is_there(step: Step) -> Iterator[str]:
    """What somebody was told is in the rows, also after a crash at any instruction."""
    for key, floor in step.ledger.fencing_floor.items():
        now = step.after.leases.get(key)
        if now is None or now.fencing_number < floor:
            have = "no row" if now is None else now.fencing_number
            yield f"{_name(key)}: the claim number {floor} was granted, and the row says {have}"
    for scope, floor in step.ledger.generation_floor.items():
        state = step.after.scopes.get(scope)
        if state is None or state.generation < floor:
            yield f"scope {scope}: generation {floor} was published, and the row says {state and state.generation}"


def a_generation_is_its_owners(step: Step) -> Iterator[str]:
    """A scope's row comes to name a generation only by its owner's hand, and one that is whole on the disk."""
    if step.before.scopes is step.after.scopes:
        return
    for key, now in step.after.scopes.items():
        before = step.before.scopes.get(key)
        if now.generation_folder is None or (before is not None and before.generation_folder == now.generation_folder):
            continue
        owner = step.before.leases.get(("consolidation", key))
        if owner is None or owner.token is None or (step.actor and owner.process != step.actor):
            yield f"scope {key}: {_short(step.actor)} published, and the owner was {owner and _short(owner.process)}"
        elif not now.generation_folder.endswith(f"/{owner.fencing_number:08d}-{owner.token[:8]}"):
            yield f"scope {key}: {now.generation_folder} is not its owner's (claim number {owner.fencing_number})"
        missing = _missing(os.path.join(step.memories_dir, now.generation_folder))
        if missing:
            yield f"scope {key}: the row names {now.generation_folder}, which lacks {', '.join(missing)}"


def links_follow_the_rows(step: Step) -> Iterator[str]:
    """A link names a generation that the scope's row names or named, whole, and never an older one than before."""
    seen = step.ledger.linked_at
    if seen is not None and seen[0] is step.after.scopes and seen[1] == step.name_changes:
        # Links and folders are names. None was touched since all were right, and what rows named only grew.
        return
    step.ledger.linked_at = None
    found = False
    memories_dir = str(step.memories_dir)
    for key, state in step.after.scopes.items():
        kind, _, name = key.partition(":")
        link = os.path.join(memories_dir, scope_link(Scope(kind=kind, key=name)))
        try:
            target = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
        except FileNotFoundError:
            continue
        folder = target[len(memories_dir) + 1 :]
        named = [*step.ledger.named.get(key, ()), state.generation_folder]
        if folder not in named:
            found = True
            yield f"scope {key}: its link names {folder}, which no row ever named"
            continue
        place = named.index(folder)
        if place < step.ledger.linked.get(key, 0):
            found = True
            yield f"scope {key}: its link went back to {folder}"
        step.ledger.linked[key] = place
        missing = _missing(target)
        if missing:
            found = True
            yield f"scope {key}: its link names {folder}, which lacks {', '.join(missing)}"
    if not found and step.name_changes is not None:
        step.ledger.linked_at = step.after.scopes, step.name_changes


LAWS: tuple[Law, ...] = (
    fencing_numbers_only_grow,
    a_token_is_granted_once,
    nobody_is_robbed,
    only_the_owner_renews,
    marks_and_revisions_only_grow,
    memories_are_kept,
    attempts_shrink_only_by_new_content,
    a_job_is_in_one_state,
    what_was_acknowledged_is_there,
    a_generation_is_its_owners,
    a_revision_grows_by_new_content_alone,
    a_thread_is_its_best_file,
    a_moved_job_is_nobodys,
    links_follow_the_rows,
    one_request_does_what_it_says,
)
"""Held after every commit and after every death."""

ANSWER_LAWS: tuple[Law, ...] = (one_request_does_what_it_says,)
"""Held after every batch that changed nothing."""

FILE_LAWS: tuple[Law, ...] = (links_follow_the_rows,)
"""Held after every piece of work that may change files."""


@attrs.frozen(kw_only=True)
class BrokenLaw:
    """A law that did not hold: its name, what is wrong, and when."""

    law: str
    found: str
    at_ms: int

    def __str__(self) -> str:
        return f"{self.law}: {self.found}"


def judge(step: Step, laws: tuple[Law, ...], at_ms: int) -> BrokenLaw | None:
    """The first law that this step breaks; None when it is lawful."""
    for law in laws:
        for found in law(step):
            return BrokenLaw(law=law.__name__, found=found, at_ms=at_ms)
    return None


def _missing(folder: str) -> list[str]:
    names = ("MEMORY.md", "memory_summary.md")
    return [name for name in names if not os.path.isfile(os.path.join(folder, name))]


def _name(key: RowKey) -> str:
    return f"{key[0]} {key[1]}".rstrip()


def _short(text: str | None) -> str:
    return (text or "nobody")[:8]
