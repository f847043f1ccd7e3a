"""Which names promise a secret: `GITHUB_TOKEN`, `dbPassword`, `X-Api-Key`, but not `max_tokens` or `password_file`.

A name is split into its words, at punctuation and at humps. It is secret when one of its words, or two in a row, says
so and nothing beside it turns it into a name *about* a secret.
"""

from enum import Enum, auto
from functools import lru_cache

from workers.redaction.late import late
from workers.redaction.words import vocabulary


class KeyKind(Enum):
    """How much a name says about its value."""

    PASSWORD = auto()
    """People make these up: any value of a few characters may be one."""
    TOKEN = auto()
    """Machines make these: a value must look like it, since the words mean other things too (a parser's token)."""


KEY_WORDS = (
    r"passw|pwd|passphrase|passcode|pass\b|_pass|pass_|secret|token|credential|_auth\b|_key\b|"
    r"(?:api|access|private|signing|encryption|account|auth|master|deploy|storage|shared|service|app|session)[ _.-]?key"
)
"""RE2 source, to be used without regard to case: every secret name has one of these in it."""

_PASSWORD_ENDINGS = ("password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "credential")
_TOKEN_ENDINGS = ("token", "credentials", "secrets", "apikey", "accesskey", "privatekey", "authkey")
_KEY_OWNERS = vocabulary(
    "api access private secret signing encryption account auth master deploy storage shared service app session"
)
_PASS_OWNERS = vocabulary("db database smtp mail email ftp sftp mysql postgres redis user admin root login http")
_OTHER_KEYS = vocabulary("public primary foreign cache sort partition index unique registry hot host")
_ABOUT_BEFORE = vocabulary("max min num total bos eos pad unk sep cls mask forgot reset change show hide no")
_ABOUT_AFTER = vocabulary(
    "type types name names count counts length len limit limits url urls uri path paths file files filename dir "
    "folder field fields input label placeholder policy expiry expires expired expiration ttl age lifetime at manager "
    "scope provider service endpoint header prefix suffix format regex pattern hint strength min max used usage index "
    "kind class error errors status state valid invalid enabled disabled required optional rotation store storage ref "
    "refs reference version id ids arn scopes stdin prompt validator reset changed budget bucket email form page view "
    "screen button toggle visibility encryption hashing hasher hashers cost rounds rules strategy mode method "
    "authentication verification generator template context handler parser match matches check checker env var "
    "variable list map set str source algorithm"
)
_FILE_NAME = late(r"\.(?:py|pyi|go|rs|tsx?|jsx?|mjs|java|kt|rb|php|cs?|cpp|h|md|txt|json|ya?ml|toml|sh|sql|css|html)$")
NAMES_REMEMBERED_MAX = 4096
"""A transcript repeats a few names thousands of times."""
_WORDS = late(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(maxsize=NAMES_REMEMBERED_MAX)
def kind_of_key(name: str) -> KeyKind | None:
    """What the name promises, or None when it is no secret's name. `token.go` is a file, and what follows its line."""
    if _FILE_NAME.search(name):
        return None
    words = [word.lower() for word in _WORDS.findall(name)]
    for index in reversed(range(len(words))):
        kind = _kind_of_word(words, index, shouted=name.isupper())
        if kind is not None:
            return None if _is_about_a_secret(words[:index], words[index + 1 :]) else kind
    return None


def _kind_of_word(words: list[str], index: int, *, shouted: bool) -> KeyKind | None:
    """The promise of one word. A `shouted` name is an environment variable: `STRIPE_KEY` and `DB_PASS` are clear."""
    word, before = words[index], words[index - 1] if index else ""
    if word == "key":
        is_token = before in _KEY_OWNERS or (shouted and before not in _OTHER_KEYS and before != "")
        return KeyKind.TOKEN if is_token else None
    if word == "pass":
        if before in _PASS_OWNERS or (shouted and before != "" and word == words[-1]):
            return KeyKind.PASSWORD
        return KeyKind.TOKEN if len(words) == 1 else None
    if word.endswith(_PASSWORD_ENDINGS):
        return KeyKind.PASSWORD
    if word.endswith(_TOKEN_ENDINGS) or words == ["auth"]:
        return KeyKind.TOKEN
    return None


def _is_about_a_secret(before: list[str], after: list[str]) -> bool:
    return any(word in _ABOUT_AFTER for word in after) or (bool(before) and before[-1] in _ABOUT_BEFORE)
