"""What a person's message says once everything that was wrapped around it is gone.

Editors put context before the request and mark where the request begins; what follows the mark is the message. A
message without words that carries images or sound is named by what it carries.
"""

from state.rollouts.payloads import MessageItem, Part, UserMessage

REQUEST_MARK = "## My request for Codex:"

IMAGE_ONLY = "[Image]"
AUDIO_ONLY = "[Audio]"


def message_text(message: UserMessage | MessageItem) -> str:
    """The words of a message, trimmed; empty when it has none."""
    if isinstance(message, UserMessage):
        return _request(message.message or "")
    return _request(spoken_text(message.content))


def spoken_text(parts: list[Part]) -> str:
    """The words in a message's parts, trimmed. Its text parts are `text`, `Text`, `input_text` or `output_text`."""
    return "".join(part.text or "" for part in parts if part.type.lower().endswith("text")).strip()


def attachment_name(message: UserMessage | MessageItem) -> str:
    """What stands for a message without words; empty when nothing is attached either."""
    if isinstance(message, UserMessage):
        has_image = bool(message.images or message.local_images)
        return _attachment(has_image, has_audio=bool(message.audio or message.local_audio))
    kinds = {part.type for part in message.content}
    has_image = not kinds.isdisjoint(("image", "local_image"))
    return _attachment(has_image, has_audio=not kinds.isdisjoint(("audio", "local_audio")))


def _request(text: str) -> str:
    _, mark, request = text.partition(REQUEST_MARK)
    return (request if mark else text).strip()


def _attachment(has_image: bool, has_audio: bool) -> str:
    return IMAGE_ONLY if has_image else AUDIO_ONLY if has_audio else ""
