"""The command `memoryd` of the installed wheel: finds the application's own modules before any others.

The modules lie privately in memoryd/_app, because their names at the root (state, workers, ...) are generic: another
installed package, or the folder that a person stands in, may have modules of the same names. So _app is put first.
In an editable install the checkout itself is memoryd._app.
"""

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line and exit with its code."""
    spec = find_spec("memoryd._app")
    assert spec is not None, "the wheel holds memoryd._app"
    assert spec.submodule_search_locations is not None, "memoryd._app is a folder"
    sys.path.insert(0, next(iter(spec.submodule_search_locations)))
    import supervisor

    sys.exit(supervisor.main())
