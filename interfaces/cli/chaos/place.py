"""Whose files chaos may touch: nobody's."""

from interfaces.cli.errors import UsageError
from interfaces.cli.options import CommonOptions


def asks_for_json(common: CommonOptions | None) -> bool:
    """Say whether the answer is to be JSON.

    Raises:
      UsageError: a home, a state folder or a configuration was named; chaos has its own.
    """
    if common is None:
        return False
    if common.codex_home is not None or common.state_dir is not None or common.config is not None:
        raise UsageError(
            "chaos works in a temporary folder of its own and touches no other one",
            hint="leave out --codex-home, --state-dir and --config",
        )
    return common.json
