"""The backfill worker: rollout files to rows."""

from workers.backfill.follow import serve
from workers.backfill.live import LiveIndex
from workers.backfill.recorder import BackfillSummary
from workers.backfill.worker import scan

__all__ = ["BackfillSummary", "LiveIndex", "scan", "serve"]
