"""Every setting, with its unit in its name, its range, and the reason for its default.

Settings are frozen values. `config.load` builds them; nothing else reads files or the environment.
"""

import attrs

from config.checks import between as _between
from config.checks import one_of as _one_of
from config.responses import ResponsesSettings

EXTRACTION_LEASE_MS = 120_000
"""Extraction of one thread takes seconds; two minutes survive a slow disk, and a dead owner is noticed by its lock."""

CONSOLIDATION_LEASE_MS = 60_000
BACKFILL_LEASE_MS = 60_000

RENEWALS_PER_LEASE = 3
"""A lease is renewed at a third of its length, so that two renewals may fail before it is lost."""

FREE_MODELS = frozenset({"builtin"})
"""Models that cost nothing: they run here, without a key and without the network."""

RESCAN_SECONDS_WATCHED = 60.0
"""While the home is watched, looking at all of it only catches what the system failed to report."""

RESCAN_SECONDS_UNWATCHED = 10.0
"""Without events looking is all there is: soon enough for memories, and cheap enough for a large history."""

PAID_MODEL_AGE_DAYS_MAX = 10.0
PAID_MODEL_ROLLOUTS_PER_STARTUP_MAX = 2
"""Where a model costs money these bound what one start may spend, as in the Codex CLI. A free model has no bounds."""


@attrs.frozen(kw_only=True)
class CodexSettings:
    """About the Codex home that is read.

    Attributes:
      model_provider_default: stands in for a provider that neither a rollout nor the home's configuration names.
    """

    model_provider_default: str = "openai"


@attrs.frozen(kw_only=True)
class BackfillSettings:
    """About reading rollouts.

    Attributes:
      watch: the running service asks the operating system to report changed files, and reads them at once.
      rescan_seconds: how often the running service looks at every file all the same; an unchanged one costs one
        `stat`. Unset: every minute while watching works, every 10 seconds while it does not.
    """

    watch: bool = True
    rescan_seconds: float | None = attrs.field(default=None, validator=_between(0.1, 86_400))

    def rescan_seconds_while(self, *, watched: bool) -> float:
        """rescan_seconds, or what stands for it where it is unset."""
        if self.rescan_seconds is not None:
            return self.rescan_seconds
        return RESCAN_SECONDS_WATCHED if watched else RESCAN_SECONDS_UNWATCHED


@attrs.frozen(kw_only=True)
class ExtractionSettings:
    """About making a memory of a session. Names are those that users know from the Codex CLI.

    Attributes:
      model: which provider extracts: "builtin" is deterministic, free and local; "responses" asks a model, see
        [responses].
      sources: which kinds of session count: those in which a person talks with the agent. A custom source is
        given by its bare name.
      min_rollout_idle_hours: a session's last meaningful line must be this old; a person may still be typing.
      max_rollout_age_days: older sessions are left out; unset: 10 for a model that costs money, no limit otherwise.
      max_rollouts_per_startup: at most so many sessions a start; unset: 2 for a model that costs money, no limit
        otherwise.
      workers: sessions extracted at a time by one process.
      running_max: sessions extracted at a time by all processes on this state together.
    """

    model: str = attrs.field(default="builtin", validator=_one_of("builtin", "responses"))
    sources: tuple[str, ...] = ("cli", "vscode", "atlas", "chatgpt")
    min_rollout_idle_hours: float = attrs.field(default=6.0, validator=_between(0, 24 * 365))
    max_rollout_age_days: float | None = attrs.field(default=None, validator=_between(0, 36_500))
    max_rollouts_per_startup: int | None = attrs.field(default=None, validator=_between(1, 1_000_000))
    workers: int = attrs.field(default=2, validator=_between(1, 64))
    running_max: int = attrs.field(default=8, validator=_between(1, 1_024))

    def idle_ms(self) -> int:
        """min_rollout_idle_hours in milliseconds."""
        return round(self.min_rollout_idle_hours * 3_600_000)

    def age_ms_max(self) -> int | None:
        """max_rollout_age_days in milliseconds, or what stands for it where it is unset; None for no limit."""
        days = self.max_rollout_age_days
        if days is None and self.model not in FREE_MODELS:
            days = PAID_MODEL_AGE_DAYS_MAX
        return None if days is None else round(days * 86_400_000)

    def rollouts_max(self) -> int | None:
        """max_rollouts_per_startup, or what stands for it where it is unset; None for no limit."""
        if self.max_rollouts_per_startup is not None or self.model in FREE_MODELS:
            return self.max_rollouts_per_startup
        return PAID_MODEL_ROLLOUTS_PER_STARTUP_MAX


@attrs.frozen(kw_only=True)
class ConsolidationSettings:
    """About merging a project's memories.

    Attributes:
      max_raw_memories_for_consolidation: at most so many sessions feed one project's files, best first.
      max_unused_days: a memory neither used nor renewed for so long is left out, and deleted once no files hold it;
        unset: never. 0 is refused: it would delete every memory, and reads like "never".
      cooldown_seconds: a project is left alone for so long after its last success, however much is remembered
        meanwhile. 0 is no rest: the built-in model costs nothing. The Codex CLI rests for six hours (21600).
      workers: projects consolidated at a time.
    """

    max_raw_memories_for_consolidation: int = attrs.field(default=256, validator=_between(1, 4096))
    max_unused_days: float | None = attrs.field(default=None, validator=_between(1, 36_500))
    cooldown_seconds: float = attrs.field(default=0.0, validator=_between(0, 30 * 86_400))
    workers: int = attrs.field(default=1, validator=_between(1, 16))

    def unused_ms_max(self) -> int | None:
        """max_unused_days in milliseconds; None for never."""
        return None if self.max_unused_days is None else round(self.max_unused_days * 86_400_000)

    def cooldown_ms(self) -> int:
        """cooldown_seconds in milliseconds."""
        return round(self.cooldown_seconds * 1_000)


@attrs.frozen(kw_only=True)
class PublishSettings:
    """About handing memories to agents.

    Attributes:
      codex: write them into the Codex home's own memory folder too, so that the next session begins with them. Off
        until a person asks for it: nothing else of memoryd writes into a Codex home.
    """

    codex: bool = False


@attrs.frozen(kw_only=True)
class ServiceSettings:
    """About the running service.

    Attributes:
      grace_seconds: how long workers may take to give their work back after the first stop signal.
      restarts_max: a worker that crashes more often than this within restart_window_seconds stays down, visibly.
      restart_window_seconds: see restarts_max; a worker that ran this long without a crash starts afresh.
      restart_seconds_min, restart_seconds_max: wait before a restart; doubles from the one to the other.
      reaper_seconds: how often dead processes are looked for. Their work is taken over within this time.
    """

    grace_seconds: float = attrs.field(default=10.0, validator=_between(0, 600))
    restarts_max: int = attrs.field(default=5, validator=_between(0, 1_000))
    restart_window_seconds: float = attrs.field(default=60.0, validator=_between(0, 86_400))
    restart_seconds_min: float = attrs.field(default=0.1, validator=_between(0, 3_600))
    restart_seconds_max: float = attrs.field(default=10.0, validator=_between(0, 3_600))
    reaper_seconds: float = attrs.field(default=0.5, validator=_between(0.05, 60))


@attrs.frozen(kw_only=True)
class LogSettings:
    """About logs. `run` writes them to a rotated file in the state folder as well as to stderr.

    Attributes:
      level: the least important kind that is kept.
      file_bytes_max: a log file is rotated at this size.
      files_max: so many rotated files are kept.
    """

    level: str = attrs.field(default="info", validator=_one_of("debug", "info", "warning", "error"))
    file_bytes_max: int = attrs.field(default=5_000_000, validator=_between(10_000, 1_000_000_000))
    files_max: int = attrs.field(default=3, validator=_between(1, 100))


@attrs.frozen(kw_only=True)
class Settings:
    """All settings, by section of the configuration file."""

    codex: CodexSettings = CodexSettings()
    backfill: BackfillSettings = BackfillSettings()
    extraction: ExtractionSettings = ExtractionSettings()
    responses: ResponsesSettings = ResponsesSettings()  # noqa: RUF009  # frozen
    consolidation: ConsolidationSettings = ConsolidationSettings()
    publish: PublishSettings = PublishSettings()
    service: ServiceSettings = ServiceSettings()
    logs: LogSettings = LogSettings()
