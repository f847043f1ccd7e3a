"""What must go and what must stay, as people and tools really write it.

In MUST_REDACT the sign § stands where the secret is; the test puts the secret in and expects the marker in its place
and every other character untouched. Secrets are put together here at run time, so that no scanner of repositories takes
this file for a leak.
"""

import base64
import json

import attrs

LOWER_36 = "k7f2m9x4q1z8w3v6b5n0" + "p7r2t9y4"
MIXED_40 = "wJa1rXUtnF" + "EMI9K7MDENG" + "bPxRfiCY" + "zQ3hT8sLm2v"
HEX_32 = "0123456789abcdef" * 2
HEX_40 = "a94a8fe5cc" * 4
BASE64_40 = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLE+y=="
UUID = "550e8400-e29b-41d4" + "-a716-446655440000"
JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890", "name": "Ann"}, {"signature": MIXED_40})
)
KEY_LINES = "\n".join(
    ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"] * 3 + ["MzEfYyjiWA4R4/M2bS1GB4t7"]
)


def armour(kind: str, body: str = KEY_LINES) -> str:
    """A key block with its BEGIN and END lines."""
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"


PEM = armour("RSA " + "PRIVATE KEY")


@attrs.frozen
class Leak:
    """A text with § where its secret stands. One word of it is the rule that finds it."""

    rule: str
    text: str
    secret: str


def escaped(text: str, times: int = 1) -> str:
    """The text as it stands inside a JSON string, within a JSON string, and so on."""
    for _ in range(times):
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return text


MUST_REDACT = (
    # Tokens that show what they are.
    Leak("issued_token", "export it: §", "sk" + "-" + LOWER_36),
    Leak("issued_token", "key §.", "sk" + "-proj-" + MIXED_40 + "_-T3"),
    Leak("issued_token", "(§)", "sk" + "-ant-api03-" + MIXED_40),
    Leak("issued_token", "clone with § please", "ghp" + "_" + MIXED_40[:36]),
    Leak("issued_token", "§", "gho" + "_" + MIXED_40[:36]),
    Leak("issued_token", "'§'", "ghu" + "_" + MIXED_40[:36]),
    Leak("issued_token", "`§`", "ghs" + "_" + MIXED_40[:36]),
    Leak("issued_token", "[§]", "ghr" + "_" + MIXED_40[:36]),
    Leak("issued_token", "§ and § again", "github" + "_pat_" + LOWER_36),
    Leak("issued_token", "gitlab §\n", "gl" + "pat-" + LOWER_36[:20]),
    Leak("issued_token", "slack §", "xox" + "b-123456789012-" + MIXED_40[:24]),
    Leak("issued_token", "slack §", "xox" + "p-123456789012-" + MIXED_40[:24]),
    Leak("issued_token", "aws § here", "AKIA" + "IOSFODNN7EXAMPLE"),
    Leak("issued_token", "aws_access_key_id = §", "ASIA" + "IOSFODNN7EXAMPLE"),
    Leak("issued_token", "maps?key=§&q=x", "AIza" + "SyD-" + MIXED_40[:31]),
    Leak("issued_token", "//registry/:x=§", "npm" + "_" + MIXED_40[:36]),
    Leak("issued_token", "twine §", "pypi" + "-AgEIcHlwaS5vcmc" + MIXED_40),
    Leak("issued_token", "hub §", "hf" + "_" + MIXED_40[:34]),
    Leak("issued_token", "mail §", "SG" + "." + MIXED_40[:22] + "." + MIXED_40),
    Leak("issued_token", "pay §", "sk" + "_live_" + MIXED_40[:24]),
    Leak("issued_token", "pay §", "rk" + "_live_" + MIXED_40[:24]),
    Leak("issued_token", "hook §", "whsec" + "_" + MIXED_40[:32]),
    Leak("issued_token", "oauth §", "ya29" + "." + MIXED_40),
    Leak("issued_token", "vault §", "hvs" + "." + MIXED_40[:24]),
    Leak("issued_token", "droplet §", "dop" + "_v1_" + HEX_32 * 2),
    Leak("issued_token", "bot §", "123456789" + ":AA" + MIXED_40[:33]),
    Leak("issued_token", r'"one\n§\ntwo"', "ghp" + "_" + MIXED_40[:36]),
    Leak("issued_token", "GITHUB_URL_§", "ghp" + "_" + MIXED_40[:36]),
    Leak("json_web_token", "jwt: § end", JWT),
    Leak("json_web_token", r'"\n§"', JWT),
    # HTTP.
    Leak("authorization", "Authorization: Bearer §", "abc123" + BASE64_40),
    Leak("authorization", "curl -H 'Authorization: Bearer §' https://api", MIXED_40 + "+/xyz=="),
    Leak("authorization", "Authorization: Basic §", base64.b64encode(b"ann:hunter2").decode()),
    Leak("authorization", '{"Authorization": "token §"}', HEX_40),
    Leak("authorization", escaped('{"authorization": "§"}', 2), MIXED_40),
    Leak("bearer", "it sent bearer § twice", "abc" + "123." + MIXED_40 + "~+/=="),
    Leak("bearer", "headers: 'Bearer §'", "abcdefghijklmnopqrst"),
    Leak("basic", "the header was Basic §, base64", base64.b64encode(b"ann:hunter2").decode()),
    Leak("cookie", "Cookie: §", "session=" + MIXED_40 + "; theme=dark"),
    # Names.
    Leak("assignment", "GITHUB_TOKEN=§", "abc123def456"),
    Leak("assignment", "export DB_PASSWORD=§", "correcthorse"),
    Leak("assignment", "DB_PASSWORD: §", "hunter2"),
    Leak("assignment", "AWS_SECRET_ACCESS_KEY=§", BASE64_40),
    Leak("assignment", "aws_secret_access_key = §", BASE64_40),
    Leak("assignment", "STRIPE_KEY=§ npm start", "abc" + "123456"),
    Leak("assignment", "SMTP_PASS='§'", "p&ss;w0rd"),
    Leak("assignment", 'password = "§"', "hunter2"),
    Leak("assignment", "password = '§'", "correct horse battery staple"),
    Leak("assignment", "  password: §\n  user: ann", "hunter2"),
    Leak("assignment", "  password: §\n  user: ann", "correcthorse"),
    Leak("assignment", "passwd: § # for now", "s3cr3t!"),
    Leak("assignment", "password=§&user=ann", "hunter2"),
    Leak("assignment", "Server=db;Password=§;Port=5432", "Hunt3r!2"),
    Leak("assignment", "https://x.org/cb?access_token=§&state=1", LOWER_36),
    Leak("assignment", '{"password": "§"}', "hunter2"),
    Leak("assignment", '{"user":"ann","password":"§","port":1}', 'a"b\\c'.replace("\\", "\\\\").replace('"', '\\"')),
    Leak("assignment", escaped('{"password": "§", "port": 1}'), "hunter two"),
    Leak("assignment", escaped('{"password": "§", "port": 1}', 2), "hunter two"),
    Leak("assignment", escaped('{"password": "§", "port": 1}', 3), "hunter two"),
    Leak("assignment", escaped('{"password": "§", "port": 1}'), escaped(escaped('quo"te'))),
    Leak("assignment", escaped("A=1\nGITHUB_TOKEN=§\nB=2"), "abc123def456"),
    Leak("assignment", '{"apiKey": "§"}', LOWER_36),
    Leak("assignment", "client_secret: '§'", "8Q~" + "xyz.ABC"),
    Leak("assignment", "clientSecret := `§`", "abc" + "-defg"),
    Leak("assignment", "X-Api-Key: §", HEX_32),
    Leak("assignment", "API key: §", LOWER_36),
    Leak("assignment", "api-key=§", LOWER_36),
    Leak("assignment", ":secret_key_base => '§'", HEX_40),
    Leak("assignment", 'os.environ["API_TOKEN"] = "§"', LOWER_36),
    Leak("assignment", 'password: str = "§"', "hunter2"),
    Leak("assignment", 'password = b"§"', "hunter2"),
    Leak("sentence", "my password is §.", "hunter2"),
    Leak("assignment", '"api_key": "§"', "supersecret" + "value"),
    Leak("assignment", "if password == '§':", "letmein"),
    Leak("assignment", "spring.datasource.password=§", "hunter2"),
    Leak("assignment", "//registry.example.org/:_authToken=§", UUID),
    Leak("assignment", "MYSQL_ROOT_PASSWORD=§", "my-secret-pw"),
    Leak("assignment", "PIN_PASSWORD: §", "123456"),
    Leak("assignment", "DB_PASSWORD: §", "abc=def"),
    Leak("assignment", "password: §", "YWJjZGVm" + "Z2hpag=="),
    Leak("assignment", 'password: str | None = "§"', "hunter2"),
    Leak("assignment", "password: §\r\nuser: ann", "pässwörd1"),
    Leak("assignment", "+DB_PASSWORD=§", "hunter2"),
    Leak("flag", "mysql --password § -h db", "hunter2"),
    Leak("flag", "tool --api-key § run", LOWER_36),
    Leak("flag", "tool --token '§' run", LOWER_36),
    Leak("flag", '["tool", "--password", "§", "run"]', "hunter2"),
    Leak("flag", escaped('["tool", "--password", "§", "run"]'), "hunter2"),
    Leak("assignment", "tool --password=§ run", "hunter"),
    Leak("name_and_value", '{"name": "DB_PASSWORD", "value": "§"}', "hunter2"),
    Leak("name_and_value", "- name: API_TOKEN\n  value: §", LOWER_36),
    Leak("element", "<password>§</password>", "hunter2"),
    Leak("sql_password", "ALTER USER ann WITH PASSWORD '§';", "hunter two"),
    Leak("sql_password", "CREATE USER ann IDENTIFIED BY '§'", "hunter2"),
    Leak("command_credentials", "curl -s -u ann:§ https://api", "hunter2"),
    Leak("netrc_password", "machine x login ann password §", "hunter2"),
    # Addresses.
    Leak("url_password", "postgres://app:§@db:5432/shop", "hunter2"),
    Leak("url_password", "https://ann:§@example.org/x.git", "p@ss"),
    Leak("url_password", "redis://:§@cache:6379", "password"),
    Leak("url_password", "amqp://guest:§@mq", "changeme"),
    Leak("url_token", "git clone https://§@github.com/a/b", HEX_40),
    Leak("account_key", "DefaultEndpointsProtocol=https;AccountKey=§;EndpointSuffix=x", BASE64_40),
    Leak("signature", "https://x.blob.core.windows.net/c?sv=2022&sig=§", "abc%2F" + LOWER_36 + "%3D"),
    Leak("signature", "?X-Amz-Signature=§", HEX_32 * 2),
    Leak("webhook", "https://hooks.slack.com/services/§", "T0000/B0000/" + MIXED_40[:24]),
    # Key blocks.
    Leak("private_key_block", "key:\n§\nafter", PEM),
    Leak("private_key_block", '{"private_key": "§\\n", "x": 1}'.replace('"private_key"', '"pem"'), escaped(PEM)),
    Leak("private_key_block", "§", escaped(armour("EC " + "PRIVATE KEY"), 2)),
    Leak("private_key_block", "§\n\nand so on", armour("OPENSSH " + "PRIVATE KEY").rpartition("\n-----END")[0]),
    Leak("private_key_block", "§", armour("PGP " + "PRIVATE KEY BLOCK", "Version: x\n\n" + KEY_LINES)),
    # Random text beside a secret word.
    Leak("near_secret_word", "the api key for staging was § yesterday", "Zk39fjQ0aLx82mNvB71q"),
    Leak("near_secret_word", "use token § for now", "q8Zr2Lx7Vn4Wt9Kc5Jd3"),
)

MUST_KEEP = (
    "token = next_token()",
    "token = self._tokens.pop(0)",
    "token = lexer.next_token",
    "token = await fetch_token(session)",
    "token: Token = tokens[i]",
    "token=token, secret=secret)",
    "const { token: authToken } = props",
    "items.map(token => token.type)",
    "case Token::Ident => next",
    "let token: &str;",
    'self.expect(token="ident")',
    'throw new Error(`unexpected token: "${token}"`)',
    'SyntaxError: Unexpected token: "<"',
    "token: 42",
    "src/lexer/token.go:1234: undefined: Token",
    "secret.py:1024: error",
    "password: ${VAR}",
    "password: ${{ secrets.DB_PASSWORD }}",
    'password: "${DB_PASSWORD}"',
    "password=$PASSWORD",
    "echo $PASSWORD",
    "PASSWORD=$(cat /run/secrets/db)",
    "set PASSWORD=%DB_PASSWORD%",
    "$env:TOKEN = $env:OTHER_TOKEN",
    "password: {{ vault_password }}",
    'password = "{password}"',
    "password=%s",
    "process.env.TOKEN",
    "const token = process.env.GITHUB_TOKEN",
    "const apiKey = import.meta.env.VITE_API_KEY;",
    'os.environ["API_KEY"]',
    'api_key = os.environ["API_KEY"]',
    'API_KEY=os.environ.get("API_KEY")',
    'token = os.getenv("TOKEN")',
    "api_key=api_key or default_key,",
    "tokens_used: 12345",
    "max_tokens=4096",
    '"max_tokens": 4096, "total_tokens": 128000',
    "num_tokens = 17",
    "tokenizer = AutoTokenizer.from_pretrained(name)",
    'eos_token="</s>", pad_token="[PAD]"',
    'token_type: "bearer"',
    "token_expires_in=3600",
    "password_file=/run/secrets/db",
    "PASSWORD_FILE: /run/secrets/db_password",
    "private_key_path = ~/.ssh/id_ed25519",
    "ssl_private_key: ./certs/server.pem",
    "token_url: https://example.org/oauth/token",
    "secretName: my-tls-certificate",
    "AWS_ACCESS_KEY_ID=",
    "password_min_length = 12",
    "reset_password: true",
    "show_password=false",
    "password: str",
    "password: str | None = None",
    "password: Optional[str] = None",
    "password: SecretStr",
    "password: string;",
    "password?: string",
    "def login(user: str, password: str, token: bytes) -> bool:",
    "def connect(password=None, token=None):",
    "connect(password=args.password, token=tok)",
    "password = getpass.getpass()",
    "password = request.form['password']",
    "password = input(prompt)",
    "user.password = new_password",
    "PASSWORD = None",
    '"password": null',
    '"password": ""',
    "password VARCHAR(255) NOT NULL",
    "<your-token>",
    "token=<your-token>",
    'token: "your-token-here"',
    "GITHUB_TOKEN=YOUR_TOKEN_HERE",
    "API_KEY=xxxxxxxxxxxxxxxx",
    'password: "****"',
    "password=********",
    "password: changeme",
    'password = "password"',
    'api_key = "test-key"',
    "SECRET_KEY=dummy",
    "ghp" + "_" + "x" * 36,
    "sk-...",
    "sk-fading-circle-animation-delay",
    "the secret is that there is no secret",
    "Keep the token in a safe place, and the password too.",
    "password: required",
    "Password: must be at least 12 characters",
    '"password": "Enter your password"',
    '"forgot": "Forgot your password?"',
    "the password is sha256 hashed",
    "Nothing secret is **stored.**",
    "the token is valid",
    "they redact `password=`, Bearer and `sk-`",
    'url = "password=" + quote(password) + "&user=ann"',
    "#password_encryption = scram-sha-256",
    'CONTEXT_KEY = "ApplyTypeAnnotationsVisitor"',
    "if token == end_of_options_delimiter:",
    "TESTCASE_PASS_TEMPLATE = 'ok {name}'",
    "names = {'AKAuthorization', 'ALAssetsLibrary', 'AVAudioSession9'}",
    "inspect.replace(signature=parsed_signature)",
    "socks5h://<username>:<password>@proxy-host",
    "2.7.2. Basic Options",
    "login / password\n    login_i = 0",
    "use --token to authenticate",
    "--password-stdin < file",
    "pass --api-key and --verbose",
    "Bearer authentication",
    "Authorization: Bearer ${TOKEN}",
    "Authorization: Bearer <token>",
    'f"Bearer {token}"',
    '"Authorization": "Bearer " + token',
    "Authorization: Bearer YOUR_ACCESS_TOKEN",
    "Basic authentication is off",
    "Basic tutorial for beginners",
    "the cookie: chocolate",
    "https://example.org:8443/path?x=1",
    "https://registry.example.org:443/@babel/core",
    "postgres://app:${DB_PASSWORD}@db/shop",
    "https://user:***@example.org",
    "git@github.com:ann/shop.git",
    "ssh://git@example.org:22/x.git",
    "docker run -u 1000:1000 image",
    "commit " + HEX_40,
    "thread " + UUID,
    "sha256:" + HEX_32 * 2,
    "the token budget of commit " + HEX_40,
    "secret scanning of /home/ann/projects/shop-2024/src/module.py",
    "see token handling in workers/redaction/assignments.py",
    "PWD=/home/ann/work",
    "pass: 12, fail: 0",
    "first_pass = compile(source)",
    "-----BEGIN PRIVATE KEY----- is how such a file starts",
    "-----BEGIN CERTIFICATE-----\n" + KEY_LINES + "\n-----END CERTIFICATE-----",
    "ssh-rsa " + KEY_LINES.replace("\n", "") + " ann@host",
    "[REDACTED_SECRET]",
    "password=[REDACTED_SECRET]",
    'token: "[REDACTED_SECRET]"',
    "Authorization: Bearer [REDACTED_SECRET]",
    "",
)
