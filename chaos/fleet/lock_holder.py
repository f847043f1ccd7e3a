"""Another program that holds SQLite's write lock on the state database until it is killed.

python -m chaos.fleet.lock_holder DATABASE
"""

import sys
import threading
from pathlib import Path

from chaos.parent import end_with_parent
from state.connection import open_writer


def main(database: Path) -> None:
    """Take the lock, say so, and wait."""
    end_with_parent()
    connection = open_writer(database)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
