"""Secrets that show what they are: issuers give them a prefix of their own, and a JWT has its dots.

A token is taken whole: the run of its characters is followed to the end, so that no tail stays behind.
"""

from workers.redaction.late import late
from workers.redaction.rule import Rule, pattern_rule

START = r"(?:^|[^A-Za-z0-9]|\\[nrt])"
r"""A token starts where no word is going on. `\n` is a line break that JSON has escaped, so its n is no word."""

ISSUED_TOKENS = (
    r"sk-[A-Za-z0-9]{20,}[\w-]*",  # OpenAI, first form
    r"sk-(?:proj|svcacct|admin|None|ant|or|lf)-[\w-]{16,}",  # OpenAI projects, Anthropic, OpenRouter, Langfuse
    r"gh[pousr]_[A-Za-z0-9]{20,}",  # GitHub: personal, OAuth, user, server, refresh
    r"github_pat_\w{20,}",
    r"gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[\w.-]{16,}",  # GitLab
    r"xox[abceoprs]-[\w-]{10,}",  # Slack
    r"xapp-\d-[\w-]{10,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16,}",  # AWS access key ids: half of a pair, and they name the account
    r"AIza[\w-]{30,}",  # Google API
    r"ya29\.[\w-]{20,}",  # Google OAuth access
    r"GOCSPX-[\w-]{20,}",  # Google OAuth client secret
    r"npm_[A-Za-z0-9]{20,}",
    r"pypi-[\w-]{16,}",
    r"rubygems_[a-f0-9]{32,}",
    r"hf_[A-Za-z0-9]{20,}",  # Hugging Face
    r"r8_[A-Za-z0-9]{20,}",  # Replicate
    r"gsk_[A-Za-z0-9]{20,}",  # Groq
    r"xai-[A-Za-z0-9]{20,}",
    r"pplx-[A-Za-z0-9]{20,}",  # Perplexity
    r"SG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
    r"key-[a-f0-9]{32}",  # Mailgun
    r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{16,}",  # Stripe, Svix
    r"sq0(?:atp|csp)-[\w-]{20,}",  # Square
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{16,}",  # Shopify
    r"do[opr]_v1_[a-f0-9]{32,}",  # DigitalOcean
    r"dapi[a-f0-9]{32}",  # Databricks
    r"hv[bs]\.[\w-]{20,}",  # HashiCorp Vault
    r"glsa_\w{20,}",  # Grafana
    r"sntry[su]_[\w+/=-]{20,}",  # Sentry
    r"lin_api_[A-Za-z0-9]{20,}",  # Linear
    r"ntn_[A-Za-z0-9]{20,}",  # Notion
    r"figd_[\w-]{20,}",  # Figma
    r"ATATT3[\w=-]{20,}",  # Atlassian
    r"PMAK-[\w-]{20,}",  # Postman
    r"tskey-[\w-]{16,}",  # Tailscale
    r"AGE-SECRET-KEY-1[A-Z0-9]{40,}",
    r"\d{8,10}:AA[\w-]{32,}",  # Telegram bots
)

DOTTED_BASE64_JSON = r"eyJ[\w-]{8,}(?:\.[\w-]*){2,4}"
"""Two dots when signed, four when encrypted; the last part is empty when unsigned."""

_FILLED_OUT = late(rb"([xX*._-])\1{7,}")


def is_real(token: bytes) -> bool:
    """False for a token filled out with one character, as documentation writes it: `ghp_xxxxxxxxxxxxxxxxxxxx`."""
    return _FILLED_OUT.search(token) is None


RULES: tuple[Rule, ...] = (
    pattern_rule("issued_token", rf"{START}(?P<secret>(?:{'|'.join(ISSUED_TOKENS)})[A-Za-z0-9]*)", accept=is_real),
    pattern_rule("json_web_token", rf"{START}(?P<secret>{DOTTED_BASE64_JSON})"),
)
