"""Rollouts: the JSONL files in which agents record their threads. Finding them, folding them, reading them.

find_rollouts      which files there are
locate_rollout     where the rollout of one thread is
head_thread_id     whose rollout a file is
read_rollout       one file's facts, from where the last reading stopped
read_conversation  one file's events, for extraction
read_thread_names  the names that people gave to threads
rollout_name       what a file's name says by itself
logical_name       the rollout's name, whichever form its file has
plain_reason       why a file could not be read, in words for people
"""

from state.rollouts.conversation import WrongThreadError, read_conversation
from state.rollouts.filename import RolloutName, logical_name, rollout_name, thread_id_of
from state.rollouts.find import find_rollouts
from state.rollouts.fold_state import Redact
from state.rollouts.locate import HeadError, Located, head_thread_id, locate_rollout
from state.rollouts.model import (
    Checkpoint,
    Conversation,
    ConversationEvent,
    DynamicTool,
    EventKind,
    FoundRollout,
    RolloutReading,
    ThreadFacts,
    UnreadablePath,
)
from state.rollouts.names import GivenName, read_thread_names
from state.rollouts.read import read_rollout
from state.rollouts.regular import plain_reason

__all__ = [
    "Checkpoint",
    "Conversation",
    "ConversationEvent",
    "DynamicTool",
    "EventKind",
    "FoundRollout",
    "GivenName",
    "HeadError",
    "Located",
    "Redact",
    "RolloutName",
    "RolloutReading",
    "ThreadFacts",
    "UnreadablePath",
    "WrongThreadError",
    "find_rollouts",
    "head_thread_id",
    "locate_rollout",
    "logical_name",
    "plain_reason",
    "read_conversation",
    "read_rollout",
    "read_thread_names",
    "rollout_name",
    "thread_id_of",
]
