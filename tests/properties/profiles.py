"""How deep properties are searched, in one place: the fast profile at every change, the deep one now and then.

A test with @given takes the profile's number of examples by itself, or its part of it with `examples`. A state machine
becomes a test with `machine_test`, which also counts the rules that were really executed, and shows what is newest in
a bundle as often as all that is older: the newest claim is mostly the living one.
"""

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any
from unittest import TestCase

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, Rule, RuleBasedStateMachine

EXAMPLES_FAST = 100
"""Examples of each test in the fast profile."""

STEPS_MIN_DEEP = 50_000
"""Fewer executed rules than this make a machine's test fail in the deep profile: the depth that it promises was not
reached."""

# No law here is about time, so no example may fail for being slow. derandomize: the session has a seed of its own.
_EVERYWHERE: dict[str, Any] = {
    "deadline": None,
    "derandomize": False,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}

executed_rules: Counter[str] = Counter()
"""Rules executed in this process so far, by the machine's name. Those of shrinking and of replayed examples count."""


def register() -> None:
    """Make the profiles known to Hypothesis, and the fast one the usual one."""
    settings.register_profile("fast", max_examples=EXAMPLES_FAST, stateful_step_count=40, **_EVERYWHERE)
    settings.register_profile("deep", max_examples=2_000, stateful_step_count=50, **_EVERYWHERE)
    # A mutation check asks only whether there is a counterexample, so it looks for no smaller one.
    settings.register_profile(
        "unshrunk",
        settings.get_profile("fast"),
        phases=(Phase.explicit, Phase.generate),
        database=None,
        report_multiple_bugs=False,
    )
    settings.load_profile("fast")


def examples(fast: int) -> settings:
    """Run a test with so many examples in the fast profile, and with as many times more as a deeper profile has."""
    profile = settings()
    return settings(max_examples=max(1, fast * profile.max_examples // EXAMPLES_FAST))


def machine_test(machine: type[RuleBasedStateMachine]) -> type[TestCase]:
    """Make the test that runs a machine as deep as the profile says."""
    state = machine.setup_state()
    for rule in (*state.rules, *state.initializers):
        _count_rule(machine.__name__, rule)
        _prefer_the_newest(rule)
    steps_min = STEPS_MIN_DEEP if settings.get_current_profile_name().startswith("deep") else 1

    class MachineTest(machine.TestCase):  # type: ignore[name-defined,misc]
        settings = settings()
        machine_name = machine.__name__

        def runTest(self) -> None:  # noqa: N802 (unittest's name)
            before = executed_rules[self.machine_name]
            super().runTest()
            executed = executed_rules[self.machine_name] - before
            assert executed >= steps_min, f"{self.machine_name} executed {executed} rules, not {steps_min}"

        runTest.is_hypothesis_test = True  # type: ignore[attr-defined]

    MachineTest.__qualname__ = f"{machine.__qualname__}.TestCase"
    return MachineTest


def _count_rule(name: str, rule: Rule) -> None:
    function: Callable[..., Any] = rule.function

    @wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        executed_rules[name] += 1
        return function(*args, **kwargs)

    rule.function = counted


def _prefer_the_newest(rule: Rule) -> None:
    for argument, strategy in rule.arguments_strategies.items():
        if isinstance(strategy, Bundle) and not strategy.consume:
            rule.arguments_strategies[argument] = _newest_of(strategy.name) | strategy


def _newest_of(bundle: str) -> st.SearchStrategy[Any]:
    # A rule is chosen only while none of its bundles is empty.
    return st.runner().map(lambda machine: machine.bundle(bundle)[-1])
