"""An owner's step changes its own row and no other owner's, for every owned table and every step."""

from tests.properties.ownership_machine import OwnershipMachine
from tests.properties.profiles import machine_test

TestOwnership = machine_test(OwnershipMachine)
