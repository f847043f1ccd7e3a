"""Laws about threads: when a revision grows, which file holds a thread, and what a move does to its job."""

from collections.abc import Iterator

from chaos.rows import RowKey
from chaos.step import Step


def a_revision_grows_by_new_content_alone(step: Step) -> Iterator[str]:
    """A thread's content revision grows exactly when what an extraction would look at has changed."""
    if step.before.threads is step.after.threads:
        return
    for thread, now in step.after.threads.items():
        before = step.before.threads.get(thread)
        if before is None:
            continue
        grown = step.after.revisions[thread] - step.before.revisions[thread]
        if bool(grown) != (now.content_digest != before.content_digest) and len(step.asked) == 1:
            yield f"thread {thread}: its content revision grew by {grown}, and its content is {now.content_digest[:8]}"


def a_thread_is_its_best_file(step: Step) -> Iterator[str]:
    """Of all files that hold a thread one is indexed, the best one, and the thread's row is that file's."""
    if step.before.files is step.after.files and step.before.threads is step.after.threads:
        return
    held: dict[str, list[str]] = {}
    for path, file in step.after.files.items():
        if file.thread_id is not None and file.status in ("indexed", "shadowed"):
            held.setdefault(file.thread_id, []).append(path)
    for thread, paths in held.items():
        indexed = [path for path in paths if step.after.files[path].status == "indexed"]
        if len(indexed) > 1:
            yield f"thread {thread}: {' and '.join(indexed)} are both indexed"
        if not indexed:
            continue
        best = max(paths, key=lambda path: (not step.after.files[path].archived, path))
        if best != indexed[0]:
            yield f"thread {thread}: {indexed[0]} goes before {best}"
        row = step.after.threads.get(thread)
        if row is not None and row.rollout_path != indexed[0]:
            yield f"thread {thread}: its row is of {row.rollout_path}, and {indexed[0]} is indexed"


def a_moved_job_is_nobodys(step: Step) -> Iterator[str]:
    """A job that moves to another scope loses its owner, who reads the old scope's content."""
    for key, before, now in step.job_changes():
        if before is not None and now.scope_key != before.scope_key:
            lease, was = step.after.leases["extraction", key], step.before.leases["extraction", key]
            if lease.token is not None and lease.token == was.token:
                yield f"job {key}: it moved to {now.scope_key}, and {lease.process} still has it"


def has_moved(step: Step, key: RowKey) -> bool:
    """Say whether the row is a job that moved to another scope."""
    if key[0] != "extraction" or step.before.jobs is step.after.jobs:
        return False
    before, now = step.before.jobs.get(key[1]), step.after.jobs.get(key[1])
    return before is not None and now is not None and before.scope_key != now.scope_key
