"""The backfill worker: rollout files to rows."""

from workers.backfill.worker import BackfillSummary, scan, serve

__all__ = ["BackfillSummary", "scan", "serve"]
