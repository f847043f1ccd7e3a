"""The extraction worker: one memory per session."""

from workers.extraction.worker import Extraction, ExtractionSummary, serve

__all__ = ["Extraction", "ExtractionSummary", "serve"]
