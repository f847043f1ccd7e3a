"""Redaction holds for any text: it never raises, never leaks a value under a clear name, and is stable."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from workers.redaction import redact, redact_text

MARKER = "[REDACTED_SECRET]"

CUES = st.sampled_from(
    [
        *("password", "token", "API_KEY", "secret", "Bearer ", "Basic ", "Authorization: ", "--password ", "Cookie: "),
        *("=", ": ", " = ", '"', "'", "`", '\\"', '\\\\\\"', "\\n", "\n", " ", ",", "{", "}", "https://a:", "@host"),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
            "AKIA",
            "ghp" + "_",
            "eyJ",
            "sk-",
            MARKER,
            "[REDACTED",
        ),
        *("hunter2", "correcthorse", "abcdefgh12345678abcdefgh12345678", "Zk39fjQ0aLx82mNvB71q", "à", "語", "\ud800"),
    ]
)
TRANSCRIPTS = st.lists(CUES | st.text(st.characters(), max_size=4), max_size=24).map("".join)
"""Text in which every rule's cues stand next to each other, glued to any characters, surrogates included."""

REFERS_OR_MASKS = "${}()<>[]%*xX•"
"""Signs of a template or a mask, which stay by design."""
PASSWORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"], exclude_characters=REFERS_OR_MASKS),
    min_size=4,
).map(lambda text: f"hY9{text}")


@given(TRANSCRIPTS)
@example("password: correcthorse ghp" + "_" + "a1" * 18)
def test_redacting_again_changes_nothing(text: str) -> None:
    once = redact(text)

    assert redact_text(once).counts == {}
    assert redact(once) == once


@given(TRANSCRIPTS)
def test_characters_around_the_markers_are_those_of_the_text_in_their_order(text: str) -> None:
    position = 0
    for part in redact(text).split(MARKER):
        position = text.find(part, position) + len(part)

        assert position >= len(part)


@given(st.text(st.characters(exclude_characters=":=/-.@_< \t"), max_size=200))
def test_text_in_which_nothing_is_joined_comes_back_as_the_same_object(text: str) -> None:
    assert redact(text) is text


@given(password=PASSWORDS, depth=st.integers(0, 3), is_ascii=st.booleans())
def test_json_password_never_survives_at_any_depth(password: str, depth: int, is_ascii: bool) -> None:
    document = json.dumps({"password": password, "port": 1}, ensure_ascii=is_ascii)
    for _ in range(depth):
        document = json.dumps({"text": document}, ensure_ascii=is_ascii)

    redacted = redact(document)

    for _ in range(depth):
        redacted = json.loads(redacted)["text"]
    assert json.loads(redacted) == {"password": MARKER, "port": 1}


@given(
    owner=st.sampled_from(["", "GITHUB_", "AWS_", "X1_", "MY_APP_"]),
    noun=st.sampled_from(["TOKEN", "SECRET", "PASSWORD", "API_KEY", "SECRET_ACCESS_KEY", "CREDENTIAL"]),
    value=st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHJK0123456789+/=_!", min_size=8),
)
def test_environment_value_never_survives(owner: str, noun: str, value: str) -> None:
    secret = f"q7{value}"

    assert redact(f"export {owner}{noun}={secret}\n") == f"export {owner}{noun}={MARKER}\n"
