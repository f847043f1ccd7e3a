"""Leases hold for every interleaving of claims, renewals, crashes, reboots and steps of the clock."""

from tests.properties.lease_machine import LeaseMachine
from tests.properties.profiles import machine_test

TestLeases = machine_test(LeaseMachine)
