"""What a request is refused with: a code and a sentence, as the Codex app-server words them where it has words."""

from collections.abc import Mapping

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603


class RpcError(Exception):
    """A request cannot be done. Reaches the client as it is, so the message holds nothing secret.

    Attributes:
      data: the same for programs; None where there is no more to say than the message.
    """

    def __init__(self, message: str, code: int = INVALID_REQUEST, *, data: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def internal(message: str) -> RpcError:
    """Something failed that the client cannot mend by asking otherwise."""
    return RpcError(message, INTERNAL)
