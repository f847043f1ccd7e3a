"""The extraction worker: one memory per session."""

from workers.extraction.worker import Extraction, ExtractionSummary

__all__ = ["Extraction", "ExtractionSummary"]
