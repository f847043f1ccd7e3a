"""How transcripts write instants, and the one form in which memoryd keeps them: whole milliseconds since 1970, UTC.

Lines carry RFC 3339 text with any precision and any offset; finer digits are cut off, never rounded, so that an
instant cannot move past the one that follows it. File names carry `YYYY-MM-DDThh-mm-ss` without a zone. Writers take
that one from local time, readers have always taken it for UTC, and so does this module: it must name the same
instant as every other reader of the same file.
"""

import re
from datetime import UTC, datetime, timedelta

_FILE_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d)", re.ASCII)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def instant_ms(text: str) -> int | None:
    """Unix ms of an RFC 3339 stamp or of a file-name stamp; None when it is neither.

    A stamp without a zone is refused rather than guessed at, except in the file-name form, which means UTC.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return file_stamp_ms(text)
    if instant.tzinfo is None:
        return None
    return (instant - _EPOCH) // _MILLISECOND


def file_stamp_ms(text: str) -> int | None:
    """Unix ms of a file-name stamp, read as UTC; None when it is none."""
    stamp = _FILE_STAMP.fullmatch(text)
    if stamp is None:
        return None
    try:
        instant = datetime.fromisoformat("{}:{}:{}+00:00".format(*stamp.groups()))
    except ValueError:
        return None  # the shape of a stamp, but no such day or hour
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000
