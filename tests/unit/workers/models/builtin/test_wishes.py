"""Which sentences are wishes, of which kind, and what they are about."""

import pytest

from workers.models.builtin.clauses import clauses_of
from workers.models.builtin.prose import sentences_of
from workers.models.builtin.wishes import correction_in, wish_in


def wishes(message: str) -> list[str]:
    """Kind, text and topic of each wish in a message, corrections included."""
    clauses = [clause for sentence in sentences_of(message) for clause in clauses_of(sentence)]
    found = [wish_in(clause) or correction_in(clause) for clause in clauses]
    return [f"{wish.kind}: {wish.text} [{wish.topic}]" for wish in found if wish is not None]


WISHES = {
    # Forbidden.
    "Never push to main.": "prohibition: Never push to main [push main]",
    "please never commit secrets": "prohibition: never commit secrets [commit secrets]",
    "Never guess.": "prohibition: Never guess [guess]",
    "Don't use emojis in commit messages.": "prohibition: Don't use emojis in commit messages [emojis commit messages]",
    "Do not ever run migrations on prod": "prohibition: Do not ever run migrations on prod [run migrations prod]",
    "Do not edit schema.sql by hand": "prohibition: Do not edit schema.sql by hand [edit schema sql hand]",
    "don't install anything without asking": (
        "prohibition: don't install anything without asking [install anything asking]"
    ),
    "You must never store plain passwords": "prohibition: You must never store plain passwords [store plain passwords]",
    "stop adding comments": "prohibition: stop adding comments [adding comments]",
    "avoid global state": "prohibition: avoid global state [global state]",
    "No emojis please": "prohibition: No emojis please [emojis]",
    "we don't use classes here": "prohibition: we don't use classes here [classes]",
    "I don't want you to add docstrings": "prohibition: I don't want you to add docstrings [add docstrings]",
    "The build directory is off-limits.": "prohibition: The build directory is off-limits [build directory off-limits]",
    "When you commit, never use --no-verify": (
        "prohibition: When you commit, never use --no-verify [commit no-verify]"
    ),
    "Please stop apologizing": "prohibition: stop apologizing [apologizing]",
    "Don't use `foo` in tests": "prohibition: Don't use `foo` in tests [foo tests]",
    "Please don't create new files unless necessary": (
        "prohibition: don't create new files unless necessary [create new files unless necessary]"
    ),
    # Preferred.
    "always use absolute imports, never relative ones": (
        "preference: always use absolute imports, never relative ones [absolute imports relative]"
    ),
    "run tests with pytest -n auto, not plain pytest": (
        "preference: run tests with pytest -n auto, not plain pytest [run tests pytest n auto plain pytest]"
    ),
    "please write all comments in English": "preference: write all comments in English [write comments english]",
    "Ask me before installing new dependencies": (
        "preference: Ask me before installing new dependencies [ask installing new dependencies]"
    ),
    "Wir nutzen pnpm, kein npm": "preference: Wir nutzen pnpm, kein npm [package manager]",
    "Always run the tests before you finish": "preference: Always run the tests before you finish [run tests finish]",
    "In this repo we use tabs.": "preference: In this repo we use tabs [indentation]",
    "We use uv for packages.": "preference: We use uv for packages [python package manager]",
    "I prefer small functions": "preference: I prefer small functions [small functions]",
    "prefer composition over inheritance": "preference: prefer composition over inheritance [composition inheritance]",
    "please use httpx instead of requests": "preference: use httpx instead of requests [httpx requests]",
    "use `pnpm` not npm": "preference: use `pnpm` not npm [package manager]",
    "From now on I prefer polars for data frames": (
        "preference: From now on I prefer polars for data frames [data frames]"
    ),
    "Please write the answer in Spanish from now on": (
        "preference: write the answer in Spanish from now on [answer language]"
    ),
    "You must run `make lint` before every commit": (
        "preference: You must run `make lint` before every commit [run lint every commit]"
    ),
    "from now on, answer in German": "preference: from now on, answer in German [answer language]",
    "whenever you change the schema, regenerate the docs": (
        "preference: whenever you change the schema, regenerate the docs [change schema regenerate docs]"
    ),
    "Before committing, run ruff.": "preference: Before committing, run ruff [committing run ruff]",
    "remember that the staging DB is read-only": "preference: remember that the staging DB is read-only [staging db]",
    "Can you please always add type hints?": "preference: always add type hints [add type hints]",
    "make sure you always sign off commits": "preference: make sure you always sign off commits [sign commits]",
    "all tests must pass": "preference: all tests must pass [tests pass]",
    "use 4 spaces": "preference: use 4 spaces [indentation]",
    "be concise": "preference: be concise [answer length]",
    "I'd rather have one big file": "preference: I'd rather have one big file [i'd big file]",
    # Corrected.
    "no, the port is 8081": "correction: the port is 8081 [port]",
    "Actually the API returns a list of strings": (
        "correction: the API returns a list of strings [api returns list strings]"
    ),
    "I said port 8081, not 8080": "correction: I said port 8081, not 8080 [said port 8081 8080]",
    "it should return 404, not 500": "correction: it should return 404, not 500 [return 404 500]",
    "Not tabs but spaces": "correction: Not tabs but spaces [indentation]",
    "That's wrong, the admin user is called root": "correction: the admin user is called root [admin user]",
    # Other languages.
    "Verwende niemals globale Variablen!": "prohibition: Verwende niemals globale Variablen [globale variablen]",
    "Bitte antworte immer auf Deutsch.": "preference: antworte immer auf Deutsch [answer language]",
    "ab jetzt nur noch pnpm benutzen": "preference: ab jetzt nur noch pnpm benutzen [package manager]",
    "Nein, der Port ist 8081 und nicht 8080": "correction: der Port ist 8081 und nicht 8080 [port 8081 8080]",
    "N'utilise jamais npm": "prohibition: N'utilise jamais npm [n'utilise npm]",
    "Toujours écrire des tests": "preference: Toujours écrire des tests [écrire tests]",
    "nunca hagas push a main": "prohibition: nunca hagas push a main [hagas push main]",
    "usa pnpm en vez de npm": "preference: usa pnpm en vez de npm [package manager]",
    "永远不要提交到main分支。": "prohibition: 永远不要提交到main分支 [永远不要提交到main分支]",
    "以后都用中文回答": "preference: 以后都用中文回答 [以后都用中文回答]",
    "今後は日本語で答えてください": "preference: 今後は日本語で答えてください [今後は日本語で答えてください]",
    "앞으로 항상 한국어로 답해줘": "preference: 앞으로 항상 한국어로 답해줘 [앞으로 항상 한국어로 답해줘]",
}

NO_WISHES = (
    # Questions.
    "why don't you use uv?",
    "don't we have a helper for that",
    "can you always rely on dict order?",
    "Should we always run the tests?",
    "What do you prefer?",
    # Idioms.
    "Never mind.",
    "nevermind, I found it",
    "don't worry about the tests",
    "no problem",
    "no need to add tests",
    "always a pleasure",
    # What happens, not what is wanted.
    "it always crashes on start",
    "we always get a 500 here",
    "we never get past login",
    "the parser never returns",
    "we use too much memory",
    "In the future we might add auth",
    "every time I run it, it crashes",
    "I don't know what is wrong",
    "This never happened before",
    "Never seen this before.",
    # Tied to the task in hand.
    "don't touch main.py in this change",
    "don't delete the file",
    "Don't add the button yet",
    "never use it in this function",
    "use the parser instead of regexes here",
    "don't push",
    "stop the server",
    "for now always return 200",
    "Use the existing helper instead of writing a new one",
    "I prefer option B",
    "If tests fail, don't fix them, tell me",
    # Pointing away.
    "never do that again",
    "stop doing that",
    "please don't",
    "no, the other file",
    "no, that file is wrong",
    # Reported or quoted.
    '"Never use X" is what the error says',
    "The docs say never use threads.",
    "`always` is a keyword",
    "",
)


@pytest.mark.parametrize(("message", "wish"), WISHES.items())
def test_standing_wish_is_heard(message: str, wish: str) -> None:
    assert wishes(message) == [wish]


@pytest.mark.parametrize("message", NO_WISHES)
def test_what_will_not_hold_tomorrow_is_no_wish(message: str) -> None:
    assert wishes(message) == []


def test_each_wish_of_a_sentence_is_heard() -> None:
    assert wishes("Fix the parser, but never use regexes for HTML, and please always run ruff before finishing.") == [
        "prohibition: never use regexes for HTML [regexes html]",
        "preference: always run ruff before finishing [run ruff finishing]",
    ]


def test_destructive_command_never_becomes_a_preference() -> None:
    assert wishes("Always run rm -rf / before the tests.") == []
    assert wishes("Never run rm -rf outside of the build folder.") != []
