"""The model that makes memories: can it be asked? Nothing is spent to find out."""

import trio

from config import Settings
from workers.doctor.finding import Area, Findings, Severity
from workers.models.choose import provider_named

REACH_SECONDS_MAX = 10.0
"""A server that does not answer a look within this time would not answer a question either."""

CLOSE_SECONDS_MAX = 1.0
"""How long closing a connection may take; nothing depends on how it ends."""


async def check_provider(findings: Findings, settings: Settings) -> None:
    """Ask the provider whether it could be asked."""
    name = settings.extraction.model
    trouble = f"the model {name} did not answer within {REACH_SECONDS_MAX:.0f} seconds"
    repair = "see that its server runs and its key is right; sessions wait until then"
    with trio.move_on_after(REACH_SECONDS_MAX):
        try:
            await _reach(settings)
        except Exception as error:
            # Whatever a provider's library raises is that provider's trouble and not the doctor's.
            trouble = f"the model {name} cannot be used: {error}"
            repair = str(getattr(error, "hint", "")) or repair
        else:
            findings.add(Area.ENVIRONMENT, "model", Severity.OK, f"the model {name} can be asked")
            return
    findings.add(
        Area.ENVIRONMENT,
        "model",
        Severity.WARNING,
        trouble,
        subject=name,
        repair=repair,
    )


async def _reach(settings: Settings) -> None:
    """The one place that knows how a provider is made and looked at."""
    provider = provider_named(settings)
    try:
        await provider.check()
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS_MAX):
            await provider.aclose()
