"""The law itself: which model judges which request, and what differs from what it says."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaos.parts import parts_of, told_of
from chaos.requests.consolidation import claim_scope, fail_scope, mark, publish, release_scope
from chaos.requests.deed import BLANK, FREE, Deed, Expected, WrongError
from chaos.requests.extraction import claim_job, fail_job, finish_job, release_job
from chaos.requests.leases import claim_scan, end_scan, renew, return_leases, write_of_scan
from chaos.rows import Rows
from chaos.step import Step
from state.messages.backfill import (
    ClaimBackfill,
    FinishBackfill,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.base import Request
from state.messages.consolidation import (
    ClaimConsolidation,
    ClaimScope,
    FailConsolidation,
    MarkScopeDirty,
    PointCurrent,
    PublishConsolidation,
    ReleaseConsolidation,
    RenewConsolidation,
)
from state.messages.extraction import (
    ClaimExtraction,
    FailExtraction,
    FinishExtraction,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.service import ExplainWorker, RegisterProcess, ReportWorker, ReturnLeases

_ELSEWHERE = (ReportWorker, ExplainWorker, RegisterProcess)
"""Requests that have nothing to do with what the model knows; they may share a batch with one that has."""


def one_request_does_what_it_says(step: Step) -> Iterator[str]:
    """A request changes what it says, in its owner's rows, and answers so; one that is refused changes nothing."""
    known = [(request, reply) for request, reply in step.asked if not isinstance(request, _ELSEWHERE)]
    if len(known) != 1 or not step.actor:
        return
    ((request, reply),) = known
    if isinstance(reply, BaseException) or not all(type(part) in _JUDGES for part in parts_of(request)):
        return
    name = type(request).__name__
    try:
        expected = _expected(step, request, reply)
        if expected is not None:
            for found in _differences(step.before, step.after, expected):
                yield f"{name} answered {type(reply).__name__}: {found}"
    except WrongError as wrong:
        yield f"{name} answered {type(reply).__name__}: {wrong}"


def _expected(step: Step, request: Request[Any], reply: Any) -> Expected | None:
    """A message about many jobs does what its single messages would, each after the one before it. None: anything."""
    whole = Expected()
    for part, told in zip(parts_of(request), told_of(request, reply), strict=True):
        if told is None:
            continue  # a claim that was not asked
        deed = Deed(
            request=part,
            reply=told,
            before=whole.over(step.before),
            after=step.after,
            boot_ms=step.boot_ms,
            wall_ms=step.wall_ms,
            boot_id=step.boot_id,
        )
        expected = _JUDGES[type(part)](deed)
        if expected is None:
            return None
        whole.add(expected)
    return whole


def _differences(before: Rows, after: Rows, expected: Expected) -> Iterator[str]:
    yield from _compared("lease", before.leases, after.leases, expected.leases)
    yield from _compared("job", before.jobs, after.jobs, expected.jobs)
    if before.scopes is not after.scopes or expected.scopes:
        now = dict(after.scopes)
        for scope in expected.marked & now.keys():
            was = expected.scopes.get(scope) or before.scopes.get(scope) or BLANK
            if was.inputs_mark < now[scope].inputs_mark <= was.inputs_mark + expected.marked[scope]:
                now[scope] = now[scope]._replace(inputs_mark=was.inputs_mark)
                if scope not in before.scopes and now[scope] == BLANK:
                    del now[scope]
        yield from _compared("scope", before.scopes, now, expected.scopes)
    if before.memories is not after.memories:
        for key in before.memories.keys() | after.memories.keys():
            if key not in expected.memories and before.memories.get(key) != after.memories.get(key):
                yield f"the memory of {key[0]} in {key[1]} changed with it"


def _compared(
    what: str, before: Mapping[Any, Any], after: Mapping[Any, Any], expected: Mapping[Any, Any]
) -> Iterator[str]:
    if before is after and not expected:
        return
    for key in after.keys() | expected.keys() | before.keys():
        must, is_now = expected.get(key, before.get(key)), after.get(key)
        # A row that is made on the way has a lease, too.
        if must != is_now and not (must is None and is_now == FREE):
            yield f"the {what} of {key} must be {must}, and is {is_now}"


def _nothing(_deed: Deed) -> Expected:
    return Expected()


_JUDGES: dict[type[Request[Any]], Any] = {
    ClaimBackfill: claim_scan,
    RenewBackfill: renew,
    FinishBackfill: end_scan,
    RegisterRollouts: write_of_scan,
    MarkRolloutsVanished: write_of_scan,
    RecordRollouts: write_of_scan,
    ReturnLeases: return_leases,
    ClaimExtraction: claim_job,
    RenewExtraction: renew,
    ReleaseExtraction: release_job,
    FinishExtraction: finish_job,
    FailExtraction: fail_job,
    ClaimConsolidation: claim_scope,
    ClaimScope: claim_scope,
    RenewConsolidation: renew,
    ReleaseConsolidation: release_scope,
    FailConsolidation: fail_scope,
    PublishConsolidation: publish,
    MarkScopeDirty: mark,
    PointCurrent: _nothing,
}
