"""The run without faults, on the fleet's Codex home and into a state folder of its own: `memoryd once`.

python -m chaos.fleet.clean ROOT [section.key=value ...]
"""

import sys
from pathlib import Path

from chaos.fleet.place import Place
from chaos.parent import end_with_parent
from supervisor import main as command_line


def main(root: Path, overrides: list[str]) -> int:
    """Do everything once."""
    end_with_parent()
    place = Place(root=root)
    where = ["--codex-home", str(place.codex_home), "--state-dir", str(place.clean_state_dir)]
    return command_line(["once", "--json", *where, *(word for one in overrides for word in ("--set", one))])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
