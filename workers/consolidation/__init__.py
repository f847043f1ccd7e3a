"""The consolidation worker: a project's memories to published files."""

from workers.consolidation.worker import Consolidation, ConsolidationSummary, serve

__all__ = ["Consolidation", "ConsolidationSummary", "serve"]
