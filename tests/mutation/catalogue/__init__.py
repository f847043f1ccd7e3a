"""Every mutation, by its subject."""

from tests.mutation.catalogue import consolidation, extraction, leases, scans

MUTATIONS = (*leases.MUTATIONS, *scans.MUTATIONS, *extraction.MUTATIONS, *consolidation.MUTATIONS)
