"""What was said, each message once.

A message stands in a transcript in up to two forms: one for people (an event, or in the paginated format an item) and
one for the model. The form for people counts. The model's form stands in for it in files that have no other, which
are very old; of the user's, without what the agent's program injected.
"""

import attrs

from state.rollouts.cleaning import Cleaner
from state.rollouts.event_log import Draft, EventLog, Place
from state.rollouts.event_payloads import AgentMessage, CompletedItem, ResponseMessage
from state.rollouts.injected import is_injected
from state.rollouts.messages import attachment_name, message_text, spoken_text
from state.rollouts.model import EventKind
from state.rollouts.payloads import MessageItem, UserMessage

INJECTED_KINDS = frozenset(("environment_context", "user_instructions"))
"""What older transcripts call a user message that no person wrote."""


@attrs.define
class Speech:
    """Tells a log what the person and the agent said.

    Attributes:
      place: where the line stands that is being told.
    """

    log: EventLog
    cleaner: Cleaner
    place: Place
    _last_said: dict[EventKind, tuple[str, str]] = attrs.field(factory=dict, init=False)

    def clear(self) -> None:
        """Forget what was said."""
        self._last_said.clear()

    def user_message(self, message: UserMessage) -> None:
        """The person's message, legacy form."""
        if message.kind not in INJECTED_KINDS:
            self._say(EventKind.USER, message_text(message) or attachment_name(message), "event")

    def user_item(self, completed: CompletedItem[MessageItem]) -> None:
        """The person's message, paginated form."""
        self._say(EventKind.USER, message_text(completed.item) or attachment_name(completed.item), "item")

    def agent_message(self, message: AgentMessage) -> None:
        """The agent's message, legacy form."""
        self._say(EventKind.ASSISTANT, (message.message or "").strip(), "event")

    def agent_item(self, completed: CompletedItem[MessageItem]) -> None:
        """The agent's message, paginated form."""
        self._say(EventKind.ASSISTANT, spoken_text(completed.item.content), "item")

    def model_input(self, message: ResponseMessage) -> None:
        """What the model was told in the role of the user."""
        parts = [part for part in message.content if not is_injected(part.text or "")]
        self._stand_in(EventKind.USER, spoken_text(parts))

    def model_output(self, message: ResponseMessage) -> None:
        """What the model answered."""
        self._stand_in(EventKind.ASSISTANT, spoken_text(message.content))

    def _say(self, kind: EventKind, text: str, form: str) -> None:
        said = self.cleaner.text(text)
        if not said or (kind is EventKind.USER and is_injected(said)):
            return
        if kind not in self._last_said:
            self.log.drop_stand_ins(kind)
        last_form, last_said = self._last_said.get(kind, ("", ""))
        if said == last_said and last_form not in ("", form):
            self._last_said[kind] = ("", said)  # the other form of the same message; said once more, it is a new one
        else:
            self._last_said[kind] = (form, said)
            self.log.add(Draft(kind=kind, place=self.place, text=said))

    def _stand_in(self, kind: EventKind, text: str) -> None:
        if text and kind not in self._last_said:
            self.log.add(Draft(kind=kind, place=self.place, text=self.cleaner.text(text), is_stand_in=True))
