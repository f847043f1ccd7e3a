"""The backfill worker: rollout files to rows."""

from workers.backfill.follow import serve
from workers.backfill.worker import BackfillSummary, scan

__all__ = ["BackfillSummary", "scan", "serve"]
