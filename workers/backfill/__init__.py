"""The backfill worker: rollout files to rows."""

from workers.backfill.follow import serve
from workers.backfill.live import LiveIndex
from workers.backfill.worker import BackfillSummary, scan

__all__ = ["BackfillSummary", "LiveIndex", "scan", "serve"]
