"""Extraction jobs do what their model says, whatever happens to threads, workers and clocks."""

from tests.properties.extraction_machine import ExtractionMachine
from tests.properties.profiles import machine_test

TestExtractionJobs = machine_test(ExtractionMachine)
