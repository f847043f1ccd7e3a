"""Live threads: started, resumed or forked here, answered by a model, recorded as the Codex CLI records its own.

manager    which threads are loaded; one turn at a time for each
loading    a thread made ready: new, from its rollout, forked
turn       one turn: what is told, recorded and asked of the model, in which order
items      an answer's items while they come
notices    what clients are told, as it stands on the line
payloads   what is recorded, as it stands in a rollout
recording  lines with their times and numbers, and the one writer of a rollout
history    a rollout read back for a thread that goes on
indexing   the index learns of a thread at once
remembered what the built-in model knows of a folder
runner     one turn from its beginning to its end, for the command

Nothing that a model or a transcript says is ever run: a model gets no tools, and what it calls is said to be
unsupported.
"""

from workers.threads.manager import ThreadManager, thread_manager

__all__ = ["ThreadManager", "thread_manager"]
