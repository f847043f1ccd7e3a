"""Only the scan's owner changes what is known of files, for every interleaving of scanners, steals and deaths."""

from hypothesis import settings

from tests.properties.backfill_machine import BackfillMachine

TestBackfill = BackfillMachine.TestCase
TestBackfill.settings = settings(max_examples=60, stateful_step_count=40)
