"""Secrets that look real and open nothing: put together when the program runs, so that no file here holds one."""

import random
import string

import attrs

ALPHANUMERIC = string.ascii_letters + string.digits


@attrs.frozen(kw_only=True)
class FakeSecrets:
    """One of each kind that people paste into a session or that a command prints there."""

    model_api_key: str
    cloud_key_id: str
    cloud_secret_key: str
    database_password: str

    def all(self) -> tuple[str, ...]:
        """Each of them, to look for."""
        return attrs.astuple(self)


def fake_secrets(rng: random.Random) -> FakeSecrets:
    """Draw a set of them."""

    def text(alphabet: str, chars: int) -> str:
        return "".join(rng.choices(alphabet, k=chars))

    return FakeSecrets(
        model_api_key="sk-" + text(ALPHANUMERIC, 40),
        cloud_key_id="AKIA" + text(string.ascii_uppercase + string.digits, 16),
        cloud_secret_key=text(ALPHANUMERIC + "+/", 40),
        database_password=text(ALPHANUMERIC, 20),
    )
