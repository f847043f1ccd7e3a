"""Which threads may be extracted now, as conditions of SQL."""

from state.ids import Instant
from state.messages.extraction import Eligibility
from state.transaction import SqlValue, in_list


def stored_sources(eligibility: Eligibility) -> tuple[str, ...]:
    """The chosen sources as threads hold them: a custom one is stored as an object."""
    return (*eligibility.sources, *(f'{{"custom":"{source}"}}' for source in eligibility.sources))


def chosen_sources(eligibility: Eligibility) -> tuple[str, dict[str, SqlValue]]:
    """`IN (...)` for a thread's source, with its parameters."""
    return in_list("source", stored_sources(eligibility))


def eligible_clause(eligibility: Eligibility, at: Instant) -> tuple[str, dict[str, SqlValue]]:
    """The conditions on thread `t` and job `j`, with their parameters; times are compared inclusively."""
    sources, parameters = chosen_sources(eligibility)
    parameters["content_at_ms_max"] = at.wall_ms - eligibility.idle_ms
    clause = (
        f"t.archived_at_ms IS NULL AND t.memory_mode = 'enabled' AND t.source {sources}"
        " AND j.content_at_ms <= :content_at_ms_max"
    )
    if eligibility.age_ms_max is not None:
        clause += " AND j.content_at_ms >= :content_at_ms_min"
        parameters["content_at_ms_min"] = at.wall_ms - eligibility.age_ms_max
    return clause, parameters
