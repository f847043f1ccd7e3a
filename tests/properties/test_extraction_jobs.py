"""Extraction jobs do what their model says, whatever happens to threads, workers and clocks."""

from hypothesis import settings

from tests.properties.extraction_machine import ExtractionMachine

TestExtractionJobs = ExtractionMachine.TestCase
TestExtractionJobs.settings = settings(max_examples=80, stateful_step_count=40)
