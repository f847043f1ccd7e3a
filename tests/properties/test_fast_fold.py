"""The fold over many lines at once is the fold over each of them alone, whatever is done to their bytes.

The plain fold below takes one line after the other, decodes what feeds a fact by itself, and dates and hashes at once.
It shares with the fast one what a kind is and what a line of that kind says, and nothing of the loop around them.
"""

from hashlib import blake2b

from hypothesis import example, given, settings
from hypothesis import strategies as st

from state.rollouts.copies import look_for_end
from state.rollouts.envelope import decoded_kind, usual_kind, usual_stamp
from state.rollouts.feeds import FEEDS
from state.rollouts.fold import DIGEST_HEAD_BYTES, DIGEST_TAIL_BYTES, MEANINGFUL, Fold
from state.rollouts.fold_state import FoldState
from state.rollouts.stamps import instant_ms

THREAD = "019770e2-c800-7993-bd71-d00ce74b7fb6"
PARENT = "019770e2-0000-7993-bd71-d00ce74b7fb7"
OWN_TURN = "019770e2-c800-79be-8986-d6108265c978"
OLD_TURN = "019770e1-0000-79be-8986-d6108265c978"

in_any_time = settings(deadline=None)


def plain_fold(texts: list[bytes]) -> FoldState:
    """Take in one line after the other, and decide everything about it before the next one."""
    state = FoldState()
    for text in texts:
        if text.strip():
            _take(state, text)
    return state


def _take(state: FoldState, text: bytes) -> None:
    kind = usual_kind(text) if text.endswith(b"}") else None
    try:
        if kind is not None:
            stamp = usual_stamp(text, 0)
        else:
            kind, stamp = decoded_kind(text)
        if state.is_copying:
            look_for_end(state, kind, stamp, text)
        was_copying = state.is_copying
        if (feed := FEEDS.get(kind)) is not None:
            feed(state, text)
    except ValueError:
        try:
            text.decode()
            state.lines_malformed += 1
        except UnicodeDecodeError:
            state.lines_not_utf8 += 1
        return
    state.lines_understood += 1
    # A line that is the first of a copy is not the thread's own; one that feeds is fed before it is counted.
    if kind in MEANINGFUL and not was_copying and not (state.is_copying and kind not in FEEDS):
        state.content_lines += 1
        hashed = state.content_digest + len(text).to_bytes(8, "little")
        hashed += text[:DIGEST_HEAD_BYTES] + text[-DIGEST_TAIL_BYTES:]
        state.content_digest = blake2b(hashed, digest_size=8).digest()
        at_ms = instant_ms(stamp)
        state.content_at_ms = state.content_at_ms if at_ms is None else at_ms


def line(rest: str, stamp: str = "2025-06-15T00:00:00.171Z", ordinal: str = '"ordinal":7,') -> bytes:
    return f'{{"timestamp":"{stamp}",{ordinal}{rest}}}'.encode()


def event(kind: str, rest: str) -> str:
    return f'"type":"event_msg","payload":{{"type":"{kind}"{rest}}}'


def response(kind: str, rest: str) -> str:
    return f'"type":"response_item","payload":{{"type":"{kind}"{rest}}}'


def item(kind: str, rest: str) -> str:
    return event(
        "item_completed",
        f',"thread_id":"{THREAD}","turn_id":"{OWN_TURN}","item":{{"type":"{kind}","id":"i"{rest}}},"completed_at_ms":1',
    )


def tokens(total: str) -> str:
    usage = f'"input_tokens":1001,"cached_input_tokens":10,"output_tokens":20,"total_tokens":{total}'
    return event(
        "token_count",
        f',"info":{{"total_token_usage":{{{usage}}},"last_token_usage":{{"total_tokens":5}},'
        '"model_context_window":272000},"rate_limits":{"primary":null,"credits":null}',
    )


def session_meta(thread: str, more: str = "") -> str:
    return (
        f'"type":"session_meta","payload":{{"account_scoped":true,"session_id":"{thread}","id":"{thread}",'
        f'"timestamp":"2025-06-14T23:59:59.984Z","cwd":"/shop","originator":"codex_exec","source":"exec",'
        f'"model_provider":"openai","base_instructions":{{"text":"You are \\"helpful\\"."}}{more}}}'
    )


GENUINE = [
    session_meta(THREAD, ',"history_mode":"paginated","git":{"commit_hash":"c","branch":"main"}'),
    session_meta(THREAD, f',"forked_from_id":"{PARENT}"'),
    session_meta(PARENT),
    event("task_started", f',"turn_id":"{OWN_TURN}","started_at":1749945600,"model_context_window":272000'),
    event("task_started", f',"turn_id":"{OLD_TURN}","started_at":1749945600'),
    event("turn_started", ""),
    f'"type":"turn_context","payload":{{"turn_id":"{OWN_TURN}","cwd":"/shop","approval_policy":"never",'
    '"permission_profile":{"type":"disabled"},"model":"m","effort":"low"}',
    f'"type":"turn_context","payload":{{"turn_id":"{OLD_TURN}","cwd":"/old","sandbox_policy":{{"mode":"read-only"}}}}',
    event("thread_settings_applied", f',"thread_id":"{THREAD}","thread_settings":{{"model":"n","cwd":"/new"}}'),
    tokens("1021"),
    tokens("99999999999999999999"),
    tokens("-5"),
    tokens('"five"'),
    event("token_count", ',"info":null'),
    event("token_count", ',"info":{"total_token_usage":{"total_tokens":3}},"info":null'),
    event("user_message", ',"message":"## My request for Codex:\\n fix it ","images":[],"local_images":[]'),
    event("user_message", ',"message":"","images":["data:,"]'),
    event("user_message", ',"message":7'),
    event("agent_message", ',"message":"Done: \\"type\\":\\"user_message\\" \\ud83d\\ude00"'),
    event("thread_goal_updated", ',"goal":{"objective":" ship "}'),
    event("turn_aborted", ',"reason":"interrupted"'),
    item("UserMessage", ',"content":[{"type":"text","text":"Task: look"}]'),
    item("UserMessage", ',"content":7'),
    item("AgentMessage", ',"content":[{"type":"Text","text":"ok"}]'),
    item(
        "CommandExecution",
        ',"aggregated_output":"' + '{\\"timestamp\\":\\"\\",\\"type\\":\\"session_meta\\"}' * 4 + '"',
    ),
    item("Reasoning", ',"summary_text":[]'),
    response("message", ',"id":"msg_1","role":"user","content":[{"type":"input_text","text":"Task"}]'),
    response("message", ',"role":"assistant","content":[]'),
    response("message", ',"id":"' + "x" * 500 + '","role":"user","content":[]'),
    response("message", ',"content":[]'),
    response("function_call_output", ',"call_id":"c","output":"Chunk\\n' + "y" * 300 + '"'),
    response("reasoning", ',"summary":[],"encrypted_content":"bm90"'),
    '"type":"response_item","payload":{"role":"user","type":"message","content":[]}',
    '"type":"token_usage_record","payload":{"thread_id":"t"}',
    '"type":"world_state","payload":{"full":true}',
]

genuine = st.builds(
    line,
    st.sampled_from(GENUINE),
    st.sampled_from(["2025-06-15T00:00:00.171Z", "2025-06-15T00:00:05Z", "2025-06-15T02:00:00+02:00", "soon", ""]),
    st.sampled_from(['"ordinal":7,', "", '"ordinal":"7",']),
)

FRAGMENTS = [
    b" ",
    b"\t",
    b"\r",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"\\u0022",
    b"\\ud800",
    b"{",
    b"}",
    b"}}",
    b"[",
    b",",
    b"NaN",
    b"1e999",
    b"9" * 40,
    b'"type":"user_message",',
    b',"role":"assistant"',
    b'{"timestamp":"","type":"event_msg","payload":{"type":"token_count","info":null}}',
    "é".encode(),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A genuine line to which something was done, often near its structure; it may no longer be JSON."""
    text = draw(genuine)
    for _ in range(draw(st.integers(1, 3))):
        places = [at for at, byte in enumerate(text) if byte in b'{}",:'] or [0]
        at = draw(st.one_of(st.sampled_from(places), st.integers(0, len(text))))
        match draw(st.sampled_from(["insert", "replace", "delete", "cut", "double", "swap"])):
            case "insert":
                text = text[:at] + draw(st.sampled_from(FRAGMENTS)) + text[at:]
            case "replace":
                text = text[:at] + draw(st.sampled_from(FRAGMENTS)) + text[at + 1 :]
            case "delete":
                text = text[:at] + text[at + draw(st.integers(1, 5)) :]
            case "cut":
                text = text[:at]
            case "double":
                text = text + text[-draw(st.integers(1, 200)) :] if draw(st.booleans()) else text + text
            case "swap":
                text = text[:at] + text[at : at + 9][::-1] + text[at + 9 :]
    return text.replace(b"\n", b"")


texts = st.lists(genuine | genuine | mutated(), max_size=14)


@in_any_time
@given(texts)
@example([line(tokens("1")), line(tokens("2"))[:-1] + b"}{}", line(tokens("3"))])
@example(
    [line(GENUINE[0]), *[line(event("user_message", f',"message":{text}')) for text in ('"a"', '"b"', "7", '"c"')]]
)
@example(
    [line(GENUINE[1]), line(GENUINE[15]), line(GENUINE[4]), line(GENUINE[15]), line(GENUINE[3]), line(GENUINE[15])]
)
def test_many_lines_at_once_are_each_line_alone(taken: list[bytes]) -> None:
    fold = Fold(FoldState())
    fold.take(b"".join(text + b"\n" for text in taken))

    assert fold.state == plain_fold(taken)


@in_any_time
@given(texts, st.integers(1, 5))
def test_where_blocks_end_changes_nothing(taken: list[bytes], lines_each: int) -> None:
    pieces = Fold(FoldState())
    for start in range(0, len(taken), lines_each):
        pieces.take(b"".join(text + b"\n" for text in taken[start : start + lines_each]))

    assert pieces.state == plain_fold(taken)


@in_any_time
@given(genuine)
def test_kind_that_is_believed_is_the_one_that_decoding_tells(text: bytes) -> None:
    """For lines that are JSON and name no key twice: the bytes of a text never pass for a key."""
    believed = usual_kind(text)

    assert believed is None or believed == decoded_kind(text)[0]
