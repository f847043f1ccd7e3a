"""JSON-RPC as the Codex app-server speaks it: one JSON object a line, no `jsonrpc` member, field names in camelCase.

lines -> messages -> connection -> methods -> handlers -> answers
         (shapes decode parameters; errors are answers)
"""

from interfaces.rpc.connection import Connection
from interfaces.rpc.host import Defaults, Host

__all__ = ["Connection", "Defaults", "Host"]
