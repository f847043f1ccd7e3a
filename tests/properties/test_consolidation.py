"""A scope's published generation is always one that its owner completed under a valid token."""

from tests.properties.consolidation_machine import ConsolidationMachine
from tests.properties.profiles import machine_test

TestConsolidation = machine_test(ConsolidationMachine)
