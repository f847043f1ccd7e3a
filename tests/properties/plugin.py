"""What pytest says of properties: the session's one seed, how to replay a failure, and how many rules machines ran.

With pytest-xdist every worker is told the options of the session, and so has the same seed.
"""

import secrets
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.properties import profiles

_SEED = "--hypothesis-seed"
_STEPS = "executed rules"

profiles.register()  # before Hypothesis's own plugin loads the profile that the command line names


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose a seed unless one was given; Hypothesis's own plugin takes it from the options."""
    if config.getoption(_SEED) is None:
        config.option.hypothesis_seed = str(secrets.randbits(32))


def pytest_report_header(config: pytest.Config) -> str:
    """Say at the start how the session can be replayed."""
    return f"properties: profile {settings.get_current_profile_name()}; replay with: {_replay(config)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach to a property's report how it is replayed, and to a machine's how many rules were executed."""
    report = yield
    if call.when != "call" or not isinstance(item, pytest.Function) or not is_hypothesis_test(item.obj):
        return report
    machine = getattr(item.cls, "machine_name", None)
    if machine is not None:
        report.user_properties.append((_STEPS, [machine, profiles.executed_rules[machine]]))
    if report.failed:
        profile, seed = settings.get_current_profile_name(), item.config.getoption(_SEED)
        alone = f"python -m pytest '{item.nodeid}' --hypothesis-profile={profile} {_SEED}={seed}"
        report.sections.append(("how to replay", f"{_replay(item.config)}\nalone: {alone}"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many rules each machine executed, in whichever process."""
    steps: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == _STEPS and report.when == "call":
                    steps[value[0]] = max(steps[value[0]], value[1])
    if not steps:
        return
    terminalreporter.section(f"properties: {_replay(terminalreporter.config)}")
    for machine, executed in sorted(steps.items()):
        terminalreporter.write_line(f"{executed:>9,} rules executed by {machine}")


def _replay(config: pytest.Config) -> str:
    target = "test-slow" if settings.get_current_profile_name() == "deep" else "test"
    return f"make {target} SEED={config.getoption(_SEED)}"
