"""A finding: what is as it should be, what is worth knowing, what is wrong; and how it is put right.

Every sentence is redacted, because a path or a title may hold a secret. Lists are bounded for each kind of finding;
what is beyond the bound is counted, so that nothing is hidden.
"""

import collections
from enum import StrEnum

import attrs

from workers.redaction import redact

FINDINGS_OF_ONE_CODE_MAX = 1_000
"""Nobody reads more of one kind; the count says how many there are."""

TEXT_CHARS_MAX = 200
"""A value that is shown is there to be recognised, not to be read."""


class Area(StrEnum):
    """What a finding is about."""

    ENVIRONMENT = "environment"
    STATE = "state folder"
    CODEX_HOME = "Codex home"
    FILES = "files and index"
    CODEX = "Codex's database"
    MEMORIES = "memories"
    PROCESSES = "processes"


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    """Looked at, and as it should be."""
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    WARNING = "warning"
    """Something is not as it should be; memoryd works on."""
    ERROR = "error"
    """memoryd cannot do its work, or may lose some."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
      code: stable, for programs; all findings of one kind share it.
      subject: the file, thread, process or setting that it is about; '' for the whole.
      found: one plain sentence.
      repair: one sentence: what --repair does, or what the person has to do; '' when nothing.
      can_repair: --repair does it.
    """

    area: Area
    code: str
    severity: Severity
    found: str
    subject: str = ""
    repair: str = ""
    can_repair: bool = False

    @property
    def is_wrong(self) -> bool:
        """True when this is a reason not to say that all is well."""
        return self.severity in (Severity.WARNING, Severity.ERROR)


class Findings:
    """Collects findings."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.counts: collections.Counter[str] = collections.Counter()
        """How many findings of each code there are, those beyond the bound included."""
        self.is_wrong = False
        self._to_repair: dict[str, list[str]] = {}

    def add(
        self,
        area: Area,
        code: str,
        severity: Severity,
        found: str,
        *,
        subject: str = "",
        repair: str = "",
        can_repair: bool = False,
    ) -> None:
        """Add one. Its texts are redacted here."""
        finding = Finding(
            area=area,
            code=code,
            severity=severity,
            found=redact(found),
            subject=redact(subject),
            repair=redact(repair),
            can_repair=can_repair,
        )
        self.counts[code] += 1
        self.is_wrong = self.is_wrong or finding.is_wrong
        if can_repair:
            self._to_repair.setdefault(code, []).append(subject)
        if self.counts[code] <= FINDINGS_OF_ONE_CODE_MAX:
            self.kept.append(finding)

    def has(self, *codes: str) -> bool:
        """Say whether there is a finding of one of these codes."""
        return any(self.counts[code] for code in codes)

    def to_repair(self, code: str) -> list[str]:
        """What the findings of this code that can be repaired are about, all of them and as it is written on disk."""
        return self._to_repair.get(code, [])


def shown(value: object) -> str:
    """A value in quotes, redacted before it is cut, so that a cut never leaves half of a secret."""
    if value is None:
        return "nothing"
    text = redact(str(value))
    return f'"{text}"' if len(text) <= TEXT_CHARS_MAX else f'"{text[:TEXT_CHARS_MAX]}..." ({len(text)} characters)'


def mib(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / (1 << 20):,.0f} MiB" if size_bytes >= 1 << 20 else f"{size_bytes / 1024:,.0f} KiB"
