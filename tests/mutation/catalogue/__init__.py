"""Every mutation, by its subject."""

from tests.mutation.catalogue import batches, consolidation, extraction, leases, scans

MUTATIONS = (*leases.MUTATIONS, *scans.MUTATIONS, *extraction.MUTATIONS, *consolidation.MUTATIONS, *batches.MUTATIONS)
