"""Only the scan's owner changes what is known of files, for every interleaving of scanners, steals and deaths."""

from tests.properties.backfill_machine import BackfillMachine
from tests.properties.profiles import machine_test

TestBackfill = machine_test(BackfillMachine)
