"""Which threads have lost their file: `threads.is_file_gone`, which leads the listings' indexes.

It is 1 where the row of the file that the thread's path names says vanished, and 0 where it does not, or where there is
no such row. Whoever changes a thread's path, or whether a file has vanished, writes it in the same transaction.
"""

from state.ids import ThreadId
from state.transaction import Transaction

IS_FILE_GONE = "EXISTS (SELECT 1 FROM rollout_files f WHERE f.path = :rollout_path AND f.status = 'vanished')"
"""What the column holds of a thread whose path is the parameter `rollout_path`."""


async def mark_threads_of_file(tx: Transaction, path: str) -> None:
    """Have every thread with this path say what the file's row says now."""
    await tx.execute(
        f"UPDATE threads SET is_file_gone = {IS_FILE_GONE}"
        f" WHERE rollout_path = :rollout_path AND is_file_gone <> {IS_FILE_GONE}",
        rollout_path=path,
    )


async def mark_threads_without_file(tx: Transaction, thread_id: ThreadId) -> None:
    """The same for every thread with the path of this one, whose file's row has just come to say vanished."""
    await tx.execute(
        "UPDATE threads SET is_file_gone = 1 WHERE rollout_path = (SELECT rollout_path FROM threads WHERE id = :id)",
        id=thread_id,
    )
