"""The laws of redaction, over a corpus of what must go and what must stay."""

import json
import sys

import pytest

from tests.unit.workers.redaction.corpus import (
    BASE64_40,
    KEY_LINES,
    LOWER_36,
    MIXED_40,
    MUST_KEEP,
    MUST_REDACT,
    PEM,
    Leak,
    escaped,
)
from workers.redaction import redact, redact_text
from workers.redaction.values import VALUE_BYTES_MAX

MARKER = "[REDACTED_SECRET]"
GITHUB_TOKEN = "ghp" + "_" + MIXED_40[:36]


@pytest.mark.parametrize("leak", MUST_REDACT, ids=lambda leak: leak.text[:40])
def test_secret_goes_and_everything_around_it_stays(leak: Leak) -> None:
    assert redact(leak.text.replace("§", leak.secret)) == leak.text.replace("§", MARKER)


@pytest.mark.parametrize("leak", MUST_REDACT, ids=lambda leak: leak.text[:40])
def test_secret_is_counted_under_the_rule_that_found_it(leak: Leak) -> None:
    assert redact_text(leak.text.replace("§", leak.secret)).counts == {leak.rule: leak.text.count("§")}


@pytest.mark.parametrize("text", MUST_KEEP)
def test_what_only_mentions_a_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("leak", MUST_REDACT, ids=lambda leak: leak.text[:40])
def test_redacting_again_changes_nothing(leak: Leak) -> None:
    once = redact(leak.text.replace("§", leak.secret))

    assert redact(once) == once


@pytest.mark.parametrize("leak", MUST_REDACT, ids=lambda leak: leak.text[:40])
def test_secret_goes_among_other_text_too(leak: Leak) -> None:
    page = f"before it\n\n{leak.text}\n\nafter it\n"

    assert leak.secret not in redact(page.replace("§", leak.secret))


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("password", ["hunter2", "hunter two", 'quo"te', "back\\slash\\", "line\nbreak", "pässwörd à"])
def test_password_goes_from_json_at_any_depth_and_the_json_stays_json(password: str, depth: int) -> None:
    document: object = {"user": "ann", "password": password, "port": 5432}
    for _ in range(depth):
        document = {"text": json.dumps(document), "n": 1}

    redacted: object = json.loads(redact(json.dumps(document)))

    for _ in range(depth):
        assert isinstance(redacted, dict)
        redacted = json.loads(redacted["text"])
    assert redacted == {"user": "ann", "password": MARKER, "port": 5432}


def test_text_without_secrets_comes_back_as_the_same_object() -> None:
    text = "nothing here, " * 3

    assert redact_text(text).text is text
    assert redact_text(text).counts == {}


def test_each_secret_of_a_text_is_counted() -> None:
    text = f"GITHUB_TOKEN={LOWER_36}\nDB_PASSWORD=hunter2\n{GITHUB_TOKEN}\npostgres://app:hunter2@db"

    assert redact_text(text).counts == {"assignment": 2, "issued_token": 1, "url_password": 1}


def test_secret_that_two_rules_find_becomes_one_marker_and_one_count() -> None:
    redacted = redact_text(f'token = "{GITHUB_TOKEN} and more words"')

    assert redacted.text == f'token = "{MARKER} and more words"'
    assert redacted.counts == {"issued_token": 1}


def test_token_inside_a_longer_secret_is_part_of_it() -> None:
    redacted = redact_text(f'password = "pre {GITHUB_TOKEN} post"')

    assert redacted.text == f'password = "{MARKER}"'
    assert redacted.counts == {"issued_token": 1}


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d password=hunter2", "à password=hunter2à\udc80"])
def test_lone_surrogates_survive(text: str) -> None:
    assert redact(text) == text.replace("hunter2", MARKER).replace(f"{MARKER}à\udc80", MARKER)


@pytest.mark.parametrize("extra", [-1, 0, 1, 2, 3, 100])
@pytest.mark.parametrize("character", ["a", "à", "語", "😀"])
def test_bare_value_longer_than_the_window_goes_to_its_end(character: str, extra: int) -> None:
    secret = "9" + character * (VALUE_BYTES_MAX // len(character.encode()) + extra)

    assert redact(f"DB_PASSWORD={secret} next") == f"DB_PASSWORD={MARKER} next"


def test_unclosed_quote_takes_the_value_but_not_the_rest_of_the_text() -> None:
    assert redact('password = "hunter2\nnext line') == f'password = "{MARKER}\nnext line'


def test_key_block_without_an_end_leaves_the_next_block_alone() -> None:
    begin = "-----BEGIN " + "PRIVATE KEY-----"

    assert redact(f"{begin}\nis prose\n{PEM}\nend") == f"{begin}\nis prose\n{MARKER}\nend"


def test_key_block_in_a_diff_goes_with_its_signs() -> None:
    diff = "\n".join(f"+{line}" for line in PEM.split("\n"))

    assert KEY_LINES.split("\n")[0] not in redact(diff)


def test_markers_of_an_earlier_redaction_are_never_touched() -> None:
    text = f'password = "{MARKER}" {MARKER} token: {MARKER} {GITHUB_TOKEN} https://ann:{MARKER}@host'

    assert redact(text) == text.replace(GITHUB_TOKEN, MARKER)


def test_secret_that_another_one_covered_is_found_once_that_is_gone() -> None:
    assert redact(f"password: correcthorse {GITHUB_TOKEN}") == f"password: {MARKER} {MARKER}"


def test_part_that_still_holds_secrets_after_the_last_pass_goes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["workers.redaction.redact"], "PASSES_MAX", 1)

    redacted = redact_text(f"password: correcthorse {GITHUB_TOKEN} and more")

    assert redacted.text == f"{MARKER}{MARKER} and more"
    assert redacted.counts == {"issued_token": 1, "entangled": 1}


def test_values_are_taken_from_every_pair_of_a_connection_string() -> None:
    text = f"Server=db;User=ann;Password=hunter2;AccountKey={BASE64_40};Timeout=5"

    assert redact(text) == f"Server=db;User=ann;Password={MARKER};AccountKey={MARKER};Timeout=5"


def test_environment_in_escaped_json_loses_its_values_line_by_line() -> None:
    text = escaped(f"PATH=/bin\nGITHUB_TOKEN={LOWER_36}\nHOME=/root\nDB_PASSWORD=hunter2\n", 2)

    assert redact(text) == text.replace(LOWER_36, MARKER).replace("hunter2", MARKER)
