"""Leases hold for every interleaving of claims, renewals, crashes, reboots and steps of the clock."""

from hypothesis import settings

from tests.properties.lease_machine import LeaseMachine

TestLeases = LeaseMachine.TestCase
TestLeases.settings = settings(max_examples=120, stateful_step_count=40)
