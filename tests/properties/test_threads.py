"""A thread's row is its rollout with what was said over it, for every order of writing, reading, saying and losing."""

from tests.properties.profiles import machine_test
from tests.properties.thread_machine import ThreadMachine

TestThreads = machine_test(ThreadMachine)
