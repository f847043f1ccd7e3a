"""What was done, each command, patch and tool call once.

A call, its output, and the event or item about its end are tied by their call id. The event belongs to the line of the
call; what the end says about it is better than what the call and its output say, whichever comes first.
"""

import attrs

from state.decoders import json_decoder
from state.rollouts.cleaning import Cleaner
from state.rollouts.commands import (
    SHELL_TOOLS,
    STDIN_TOOL,
    Command,
    called_command,
    command_line,
    command_output,
    plain_path,
    polled_session,
)
from state.rollouts.envelope import compact
from state.rollouts.event_log import Draft, EventLog, Place
from state.rollouts.event_payloads import (
    CallOutput,
    CommandEnd,
    CompletedItem,
    CustomToolCall,
    FunctionCall,
    LocalShellCall,
    McpCall,
    McpEnd,
    McpOutcome,
    McpResult,
    OutputObject,
    PatchEnd,
    SearchAction,
    ShellAction,
    ToolSearchCall,
    WebSearchCall,
)
from state.rollouts.messages import spoken_text
from state.rollouts.model import EventKind
from state.rollouts.patches import (
    FILES_MAX,
    PATCH_TOOL,
    applies_patch,
    called_patch,
    patch_succeeded,
    patched_files,
)
from state.rollouts.payloads import NULL, Part

WEB_SEARCH = "web_search"
TOOL_SEARCH = "tool_search"

COMPLETED = "completed"

INTERACTION = "unified_exec_interaction"
"""A look at a command that already runs; that command's start and end are told elsewhere."""

RUNNING_MAX = 100
"""Processes that may run at once; of more, the oldest is taken for ended."""

_decode_text = json_decoder(str).decode
_decode_parts = json_decoder(list[Part]).decode
_decode_output = json_decoder(OutputObject).decode


@attrs.define
class Actions:
    """Tells a log what the agent did.

    Attributes:
      place: where the line stands that is being told.
    """

    log: EventLog
    cleaner: Cleaner
    place: Place
    _running: dict[str, Draft] = attrs.field(factory=dict, init=False)

    def clear(self) -> None:
        """Forget what runs."""
        self._running.clear()

    def function_call(self, call: FunctionCall) -> None:
        """A call of a tool by its name."""
        running = self._running.get(polled_session(call.arguments)) if call.name == STDIN_TOOL else None
        if running is not None and running.is_kept:
            self.log.tie(call.call_id, running)
        elif call.name in SHELL_TOOLS:
            self._begin_command(call.call_id, called_command(call.arguments))
        elif call.name == PATCH_TOOL:
            self._begin(EventKind.PATCH, call.call_id, files=patched_files(called_patch(call.arguments)))
        else:
            name = f"{call.namespace}__{call.name}" if call.namespace else call.name
            self._begin(EventKind.TOOL, call.call_id, text=name)

    def custom_tool_call(self, call: CustomToolCall) -> None:
        """A call of a tool that takes text instead of JSON."""
        if call.name == PATCH_TOOL:
            self._begin(EventKind.PATCH, call.call_id, files=patched_files(call.input))
        else:
            self._begin(EventKind.TOOL, call.call_id, text=call.name)

    def local_shell_call(self, call: LocalShellCall) -> None:
        """A command, the model's built-in form."""
        action = call.action if call.action is not None else ShellAction()
        command = Command(command_line(action.command or ""), plain_path(action.working_directory or ""))
        self._begin_command(call.call_id or call.id or "", command)

    def web_search_call(self, call: WebSearchCall) -> None:
        """A search. The transcript keeps what was looked for, and not what was found: it stands where that would."""
        action = call.action if call.action is not None else SearchAction()
        self._begin(EventKind.TOOL, "", text=WEB_SEARCH, output=action.query or action.url or "")

    def tool_search_call(self, call: ToolSearchCall) -> None:
        """A search for more tools."""
        self._begin(EventKind.TOOL, call.call_id or "", text=TOOL_SEARCH)

    def call_output(self, output: CallOutput) -> None:
        """What a call returned to the model."""
        draft = self.log.of_call(output.call_id or "")
        if draft is None or draft.is_settled:
            return
        text, succeeded = _returned(output)
        printed = command_output(text)
        before = draft.output if draft.is_running else ""
        if draft.kind is EventKind.COMMAND:
            draft.exit_code = printed.exit_code
            self._note_running(draft, printed.session_id)
        elif draft.kind is EventKind.PATCH:
            draft.succeeded = patch_succeeded(printed.text, printed.exit_code)
        else:
            draft.succeeded = succeeded
        draft.output = self.cleaner.output(before + printed.text)
        self.log.changed(draft)

    def command_item(self, completed: CompletedItem[CommandEnd]) -> None:
        """The end of a command, paginated form."""
        self.command_end(completed.item)

    def command_end(self, end: CommandEnd) -> None:
        """The end of a command, legacy form."""
        if end.source == INTERACTION:
            return
        draft = self._ended(EventKind.COMMAND, end.call_id or end.id)
        if draft.kind is EventKind.PATCH:
            draft.succeeded = end.exit_code == 0 if end.exit_code is not None else None
        else:
            draft.kind = EventKind.COMMAND
            draft.text = self.cleaner.text(command_line(end.command)) if end.command else draft.text
            draft.exit_code = end.exit_code
        draft.cwd = self.cleaner.text(plain_path(end.cwd)) if end.cwd else draft.cwd
        self._settle(draft, end.aggregated_output, end.stdout, end.stderr)

    def patch_item(self, completed: CompletedItem[PatchEnd]) -> None:
        """The end of a patch, paginated form."""
        self.patch_end(completed.item)

    def patch_end(self, end: PatchEnd) -> None:
        """The end of a patch, legacy form. Its paths are absolute: they count only if the patch itself is not there."""
        draft = self._ended(EventKind.PATCH, end.call_id or end.id)
        draft.kind = EventKind.PATCH
        draft.text = ""
        draft.files = draft.files or self.cleaner.files(tuple(sorted(end.changes or ())[:FILES_MAX]))
        draft.succeeded = end.success if end.success is not None else end.status == COMPLETED if end.status else None
        self._settle(draft, None, end.stdout, end.stderr)

    def mcp_item(self, completed: CompletedItem[McpCall]) -> None:
        """The end of a call to an MCP server's tool, paginated form."""
        call = completed.item
        error = call.error.message if call.error is not None else None
        self._mcp_ended(call.id, f"mcp__{call.server}__{call.tool}", call.result, error)

    def mcp_end(self, end: McpEnd) -> None:
        """The end of a call to an MCP server's tool, legacy form."""
        outcome = end.result if end.result is not None else McpOutcome()
        name = f"mcp__{end.invocation.server}__{end.invocation.tool}"
        self._mcp_ended(end.call_id, name, outcome.ok, outcome.err)

    def _begin_command(self, call_id: str, command: Command) -> None:
        if applies_patch(command.line):
            self._begin(EventKind.PATCH, call_id, cwd=command.cwd, files=patched_files(command.line))
        else:
            self._begin(EventKind.COMMAND, call_id, text=command.line, cwd=command.cwd)

    def _begin(
        self,
        kind: EventKind,
        call_id: str,
        *,
        text: str = "",
        output: str = "",
        cwd: str = "",
        files: tuple[str, ...] = (),
    ) -> None:
        """Begin the draft of a call, unless its end was told first. Some providers use a call id twice."""
        told = self.log.of_call(call_id)
        if told is not None and not told.has_call:
            told.has_call = True
            return
        draft = Draft(
            kind=kind,
            place=self.place,
            text=self.cleaner.text(text),
            output=self.cleaner.output(output),
            cwd=self.cleaner.text(cwd),
            files=self.cleaner.files(files),
            call_id=call_id,
            has_call=True,
        )
        self.log.add(draft)

    def _ended(self, kind: EventKind, call_id: str) -> Draft:
        """The draft whose end this is: its call's, or a new one when the call is not in the transcript (yet)."""
        draft = self.log.of_call(call_id)
        if draft is None:
            draft = Draft(kind=kind, place=self.place, text="", call_id=call_id)
            self.log.add(draft)
        return draft

    def _note_running(self, draft: Draft, session_id: str) -> None:
        """Remember which command a process belongs to, as long as it runs."""
        draft.is_running = bool(session_id)
        if draft.is_running:
            self._running[session_id] = draft
            if len(self._running) > RUNNING_MAX:
                del self._running[next(iter(self._running))]

    def _mcp_ended(self, call_id: str, name: str, result: McpResult | None, error: str | None) -> None:
        draft = self._ended(EventKind.TOOL, call_id)
        draft.text = draft.text or self.cleaner.text(name)
        draft.succeeded = error is None and result is not None and not result.is_error
        self._settle(draft, error if result is None else spoken_text(result.content), None, None)

    def _settle(self, draft: Draft, whole: str | None, stdout: str | None, stderr: str | None) -> None:
        """Let the end of a call have the last word on what it printed, if it says anything about that."""
        if whole is not None or stdout is not None or stderr is not None:
            draft.output = self.cleaner.output(whole if whole is not None else (stdout or "") + (stderr or ""))
            draft.is_settled = True
        self.log.changed(draft)


def _returned(output: CallOutput) -> tuple[str, bool | None]:
    """The text of an output in any of its forms, and whether it says that the call succeeded.

    Raises:
      ValueError: it has another form.
    """
    written = bytes(output.output)
    if written == NULL:
        return ("" if bytes(output.tools) == NULL else compact(output.tools)), None
    if written.startswith(b'"'):
        return _decode_text(written), None
    if written.startswith(b"["):
        return "\n".join(part.text for part in _decode_parts(written) if part.text), None
    whole = _decode_output(written)
    return whole.content, whole.success
