"""Secrets within addresses and connection strings: user:password@, signed links, webhooks, storage account keys.

In these places everything is a secret, however weak: `postgres://app:password@db` loses its password too. References
(`${DB_PASSWORD}`) and masked values (`***`) stay.
"""

from workers.redaction.judgement import is_literal
from workers.redaction.late import late
from workers.redaction.rule import Rule, pattern_rule

_MIXED = late(rb"[A-Za-z].*\d|\d.*[A-Za-z]")


def _is_mixed(run: bytes) -> bool:
    """True for letters and digits together, which no plain name or number is."""
    return _MIXED.search(run) is not None


RULES: tuple[Rule, ...] = (
    pattern_rule("url_password", r"://[^\s/:@\"'`<>?#]*:(?P<secret>[^\s/\"'`<>\\]+)@", accept=is_literal),
    pattern_rule("url_token", r"://(?P<secret>[A-Za-z0-9_-]{20,})(?::x-oauth-basic)?@", accept=_is_mixed),
    pattern_rule(
        "signature",
        r"(?i:[?&;\"'\s](?:sig|x-amz-signature|x-amz-security-token|x-goog-signature|signature)=)"
        r"(?P<secret>[A-Za-z0-9%+/=_-]{16,})",
        accept=_is_mixed,
    ),
    pattern_rule(
        "account_key",
        r"(?i:\b(?:accountkey|sharedaccesskey|sharedaccesssignature)=)(?P<secret>[^\s;\"'`<>\\]{16,})",
        accept=is_literal,
    ),
    pattern_rule(
        "webhook",
        r"https://(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks|"
        r"[\w-]+\.webhook\.office\.com/webhookb2)/(?P<secret>[\w/@.-]{20,})",
    ),
)
