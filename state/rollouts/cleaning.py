"""Texts on their way into a conversation: without secrets, without characters that a database stumbles over, bounded.

Redaction comes before cutting, so that a cut never leaves half of a secret that nothing recognises any more.
"""

import attrs

from state.rollouts.fold_state import Redact


@attrs.frozen
class Cleaner:
    """How texts are cleaned; longer ones are cut in their middle, because a text's beginning and end say most."""

    redact: Redact
    text_chars_max: int
    output_chars_max: int

    def text(self, text: str) -> str:
        """What somebody said, a command line, a folder."""
        return self._cleaned(text, self.text_chars_max)

    def output(self, text: str) -> str:
        """What a command or tool printed."""
        return self._cleaned(text, self.output_chars_max)

    def files(self, files: tuple[str, ...]) -> tuple[str, ...]:
        """The paths of a patch."""
        return tuple(self.text(file) for file in files)

    def _cleaned(self, text: str, chars_max: int) -> str:
        return cut_middle(self.redact(text.replace("\0", "\ufffd")), chars_max) if text else ""


def cut_middle(text: str, chars_max: int) -> str:
    """The text, or its beginning and end around a note of what is missing, in at most `chars_max` characters."""
    if len(text) <= chars_max:
        return text
    mark = f"\n[... {len(text) - chars_max} characters and more left out ...]\n"
    kept = chars_max - len(mark)
    if kept <= 0:
        return text[:chars_max]
    tail = kept // 2
    return text[: kept - tail] + mark + text[len(text) - tail :]
