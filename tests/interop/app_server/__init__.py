"""The app-server and `memoryd serve`, asked the same.

client: speaks to one of them.  stored: the threads of a home.  pair: both, each on its own copy of one home.
conversations: what is asked.  normal: what of an answer belongs to the run.  differences: what is meant to differ.
"""

from tests.interop.app_server.client import AppServer, AppServerError, running_app_server, running_server

__all__ = ["AppServer", "AppServerError", "running_app_server", "running_server"]
