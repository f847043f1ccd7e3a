"""Which names promise a secret, and of which kind."""

import pytest

from workers.redaction.keys import KeyKind, kind_of_key

PASSWORDS = """
    password DB_PASSWORD dbPassword db-password userpassword PGPASSWORD pwd DB_PASS smtp_pass client_secret clientSecret
    PASSWORD_PROD password2 spring.datasource.password passphrase KEYSTORE_PASSPHRASE
"""
TOKENS = """
    token GITHUB_TOKEN authToken accesstoken APIKey api_key x-api-key _authToken _auth AWS_SECRET_ACCESS_KEY
    secret_key_base STRIPE_KEY privateKey credentials API_KEY_2 pass
"""
OTHERS = """
    max_tokens tokens_used tokenizer passed bypass first_pass compass secretary monkey key password_file passwordField
    token_type AWS_ACCESS_KEY_ID secretKeyRef secretName reset_password PUBLIC_KEY primary_key foreign_key PRIMARY_KEY
    token.go password.test.ts min_password TESTCASE_PASS_TEMPLATE _ 42
"""


@pytest.mark.parametrize("name", PASSWORDS.split())
def test_secrets_that_people_make_up_are_passwords(name: str) -> None:
    assert kind_of_key(name) is KeyKind.PASSWORD


@pytest.mark.parametrize("name", [*TOKENS.split(), "API key"])
def test_secrets_that_machines_issue_are_tokens(name: str) -> None:
    assert kind_of_key(name) is KeyKind.TOKEN


@pytest.mark.parametrize("name", [*OTHERS.split(), ""])
def test_names_about_secrets_and_other_names_promise_nothing(name: str) -> None:
    assert kind_of_key(name) is None
