"""Secrets out of everything that leaves a transcript. `redact` is the one function that the rest calls."""

from workers.redaction.redact import Redacted, redact, redact_text

__all__ = ["Redacted", "redact", "redact_text"]
