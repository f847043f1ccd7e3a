"""`python -m chaos.disk --seed N`: break the disk in every way and print what was found.

Exits 1 if a promise was broken, or a control found nothing.
"""

import argparse
import json
import sys

from chaos.disk.examine import examine_disk
from chaos.disk.power import Depth
from chaos.disk.report import Scene


def main(arguments: list[str] | None = None) -> int:
    """Run the examination; answer 0 when every promise was kept and every control found something."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos.disk", description="Break a store's disk at every point and hold it to its answers."
    )
    parser.add_argument("--seed", type=int, default=1, help="decides the script and the sectors that survive")
    parser.add_argument(
        "--images", type=int, default=2, metavar="K", help="random subsets of the unsynced sectors at each point"
    )
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="try every N-th point only")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args(arguments)
    if chosen.images < 0 or chosen.stride < 1:
        parser.error("--images is at least 0, and --stride at least 1")
    report = examine_disk(
        chosen.seed, depth=Depth(some=chosen.images, stride=chosen.stride), on_scene=_say_on_a_terminal
    )
    print(json.dumps(report.as_json(), indent=2) if chosen.json else report.as_text())
    return 0 if report.is_sound else 1


def _say_on_a_terminal(scene: Scene) -> None:
    if sys.stderr.isatty():
        print(f"{scene.name}: {scene.images:,} images in {scene.seconds:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
