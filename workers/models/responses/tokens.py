"""How many bytes of text make a token: guessed with caution at first, then learnt from what the server counted.

There is no tokenizer here: each model has its own, and none ships with its vocabulary. Four bytes a token, the usual
rule, is wrong by half for JSON, for logs and for most scripts, which is how a session comes to be too big for a model
that could have taken it.
"""

BYTES_PER_TOKEN_FIRST = 3.0
BYTES_PER_TOKEN_MIN = 1.0
BYTES_PER_TOKEN_MAX = 6.0
"""Whatever a server counts, it is not believed beyond these."""

TOKENS_OF_THE_GUESS = 10_000
"""The first guess weighs as much as so many counted tokens, and then fades."""


class TokenMeasure:
    """What was sent and counted so far, over all calls of this process."""

    def __init__(self) -> None:
        self._tokens = float(TOKENS_OF_THE_GUESS)
        self._bytes = BYTES_PER_TOKEN_FIRST * TOKENS_OF_THE_GUESS

    @property
    def bytes_per_token(self) -> float:
        """The best guess by now."""
        return min(max(self._bytes / self._tokens, BYTES_PER_TOKEN_MIN), BYTES_PER_TOKEN_MAX)

    def bytes_for(self, tokens: int) -> int:
        """How many bytes of text make about so many tokens."""
        return int(tokens * self.bytes_per_token)

    def learn(self, bytes_sent: int, tokens_counted: int) -> None:
        """Take in one call that the server has counted; a server that counts nothing teaches nothing."""
        if tokens_counted > 0 and bytes_sent > 0:
            self._bytes += bytes_sent
            self._tokens += tokens_counted
