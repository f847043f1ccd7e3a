"""Publishing: the current memories, written into the folder where the Codex CLI reads its own."""

from workers.publishing.errors import PublishError
from workers.publishing.one_pass import Outcome, last_outcome, publish, survey, undo
from workers.publishing.worker import serve

__all__ = ["Outcome", "PublishError", "last_outcome", "publish", "serve", "survey", "undo"]
