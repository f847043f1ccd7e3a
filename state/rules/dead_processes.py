"""What dead processes left behind. Whoever asks `ReturnLeases` holds the OS lock on the dead process's lock file.

Apart from `service`, because this knows the rules of every kind of lease and an opening needs none of them.
"""

from state.ids import Instant
from state.messages.service import LeasesReturned, ReturnLeases
from state.rules.backfill import free_backfill_of
from state.rules.consolidation import free_consolidations_of
from state.rules.extraction import free_extractions_of
from state.transaction import Transaction


async def return_leases(tx: Transaction, request: ReturnLeases, at: Instant) -> LeasesReturned:
    """Free all that the dead process held, and strike it out, in one transaction."""
    returned = LeasesReturned(
        backfills=await free_backfill_of(tx, request.process),
        extractions=await free_extractions_of(tx, request.process),
        consolidations=await free_consolidations_of(tx, request.process),
    )
    await tx.execute("DELETE FROM processes WHERE process_uuid = :process", process=request.process)
    return returned
