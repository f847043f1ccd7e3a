"""A scope's published generation is always one that its owner completed under a valid token."""

from hypothesis import settings

from tests.properties.consolidation_machine import ConsolidationMachine

TestConsolidation = ConsolidationMachine.TestCase
TestConsolidation.settings = settings(max_examples=150, stateful_step_count=40)
