"""A thread's row is its rollout with what was said over it, for every order of writing, reading, saying and losing."""

from hypothesis import settings

from tests.properties.thread_machine import ThreadMachine

TestThreads = ThreadMachine.TestCase
TestThreads.settings = settings(max_examples=60, stateful_step_count=40)
