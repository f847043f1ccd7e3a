"""The sample sessions: a month of one invented person's work in three projects, oldest first.

Each is there for a reason, which its comment gives. Together they make memories that one would want to have.
"""

from examples.fake_secrets import FakeSecrets
from examples.story import Answers, Edit, Format, Patches, Project, Runs, Session, Turn

SHOP = Project("/home/sam/projects/lantern-shop", "https://git.invalid/sam/lantern-shop.git")
TIDES = Project("/home/sam/projects/tide-pipeline", "https://git.invalid/sam/tide-pipeline.git")
DOTFILES = Project("/home/sam/dotfiles", "https://git.invalid/sam/dotfiles.git")

DAY = 24.0
"""Hours."""


def sample_sessions(secrets: FakeSecrets) -> tuple[Session, ...]:
    """All of them. `secrets` are what leaks into one of the sessions."""
    return (
        # A correction, and a command that failed until it was heeded.
        Session(
            key="health-endpoint",
            project=SHOP,
            format=Format.LEGACY,
            ended_hours_ago=26 * DAY,
            branch="feature/healthz",
            turns=(
                Turn(
                    "Add a /healthz endpoint that also checks the database connection.",
                    (
                        Answers("I look at the routes first, then I run the tests."),
                        Runs("ls src/routes", "cart.ts\norders.ts\nproducts.ts\n"),
                        Runs("npm test", "This project wants another package manager: pnpm\n", exit_code=1),
                        Answers("npm refuses to run here."),
                    ),
                ),
                Turn(
                    "No, use pnpm, not npm. The lockfile is pnpm-lock.yaml.",
                    (
                        Runs("pnpm test", "38 tests, 38 passed\n"),
                        Patches(
                            (
                                Edit(
                                    "src/routes/health.ts",
                                    new="export const health = async (db: Database) => {\n"
                                    "  const startedAt = performance.now();\n"
                                    "  await db.query('SELECT 1');\n"
                                    "  return { ok: true, databaseMs: performance.now() - startedAt };\n"
                                    "};\n",
                                ),
                                Edit(
                                    "src/app.ts",
                                    old="app.get('/products', products);\n",
                                    new="app.get('/products', products);\napp.get('/healthz', health);\n",
                                ),
                            )
                        ),
                        Runs("pnpm test", "39 tests, 39 passed\n"),
                        Answers("GET /healthz answers 200 with the time the database took, and 503 without it."),
                    ),
                ),
            ),
        ),
        # A prohibition, and a failure with its fix.
        Session(
            key="cancelled-orders",
            project=SHOP,
            format=Format.PAGINATED,
            ended_hours_ago=21 * DAY,
            source="vscode",
            branch="feature/cancel-orders",
            turns=(
                Turn(
                    "Write a migration that adds orders.cancelled_at and try it."
                    " Never run migrations against staging, only against the local database.",
                    (
                        Patches(
                            (
                                Edit(
                                    "migrations/0042_add_orders_cancelled_at.sql",
                                    new="ALTER TABLE orders ADD COLUMN cancelled_at timestamptz;\n",
                                ),
                            )
                        ),
                        Runs("pnpm db:migrate", "Cannot reach 127.0.0.1:5432: connection refused\n", exit_code=1),
                        Runs("docker compose up -d postgres", "Container lantern-postgres started\n"),
                        Runs("pnpm db:migrate", "Applied 0042_add_orders_cancelled_at\n"),
                        Answers("The migration is applied to the local database; postgres had to be started first."),
                    ),
                ),
            ),
        ),
        # A preference that a later session replaces.
        Session(
            key="gauge-import",
            project=TIDES,
            format=Format.LEGACY,
            ended_hours_ago=18 * DAY,
            turns=(
                Turn(
                    "Read the tide gauge CSV files and write one Parquet file a month."
                    " I prefer pandas for data frames.",
                    (
                        Runs("head -2 data/raw/gauge-07.csv", "station,measured_at,level_cm\n07,2024-03-01,412\n"),
                        Patches(
                            (
                                Edit(
                                    "tides/load.py",
                                    new="import pandas as pd\n\n\n"
                                    "def load(path: str) -> pd.DataFrame:\n"
                                    "    return pd.read_csv(path, parse_dates=['measured_at'])\n",
                                ),
                            )
                        ),
                        Runs("python -m tides.load data/raw", "12 months written\n"),
                        Answers("data/parquet has one file a month, sorted by station and time."),
                    ),
                ),
            ),
        ),
        # A failure whose fix is worth knowing, and how tests are run.
        Session(
            key="parquet-tests",
            project=TIDES,
            format=Format.PAGINATED,
            ended_hours_ago=15 * DAY,
            turns=(
                Turn(
                    "Write tests for tides/load.py. Always run the tests with uv run pytest.",
                    (
                        Patches(
                            (
                                Edit(
                                    "tests/test_load.py",
                                    new="from tides.load import load\n\n\n"
                                    "def test_levels_are_numbers():\n"
                                    "    assert load('tests/gauge.csv').level_cm.dtype.kind == 'i'\n",
                                ),
                            )
                        ),
                        Runs("uv run pytest", "ModuleNotFoundError: No module named 'pyarrow'\n", exit_code=2),
                        Runs("uv sync --extra parquet", "Installed 1 package\n"),
                        Runs("uv run pytest", "1 passed\n"),
                        Answers("The tests pass; Parquet needs the extra `parquet`."),
                    ),
                ),
            ),
        ),
        Session(
            key="zsh-aliases",
            project=DOTFILES,
            format=Format.LEGACY,
            ended_hours_ago=14 * DAY,
            turns=(
                Turn(
                    "Move my aliases into zsh/aliases.zsh. Please keep aliases in alphabetical order.",
                    (
                        Runs("grep -c alias zsh/zshrc", "9\n"),
                        Patches(
                            (
                                Edit(
                                    "zsh/aliases.zsh",
                                    new="alias g='git status --short'\nalias ll='ls -la'\nalias v='nvim'\n",
                                ),
                                Edit(
                                    "zsh/zshrc",
                                    old="alias v='nvim'\n",
                                    new="source ~/.zsh/aliases.zsh\n",
                                ),
                            )
                        ),
                        Runs("stow zsh", "existing target is not a link: .zshrc\n", exit_code=1),
                        Runs("mv ~/.zshrc ~/.zshrc.before-stow", ""),
                        Runs("stow zsh", ""),
                        Answers("The aliases are in a file of their own, and stow links both files."),
                    ),
                ),
            ),
        ),
        # Nothing worth remembering.
        Session(
            key="hello",
            project=DOTFILES,
            format=Format.PAGINATED,
            ended_hours_ago=12 * DAY,
            turns=(Turn("hello", (Answers("Hello! What shall we do?"),)),),
        ),
        # Replaces the preference of "gauge-import".
        Session(
            key="faster-frames",
            project=TIDES,
            format=Format.PAGINATED,
            ended_hours_ago=9 * DAY,
            source="vscode",
            branch="perf/frames",
            turns=(
                Turn(
                    "Loading takes a minute by now. From now on I prefer polars for data frames.",
                    (
                        Runs("uv add polars", "Added polars\n"),
                        Patches(
                            (
                                Edit(
                                    "tides/load.py",
                                    old="import pandas as pd\n",
                                    new="import polars as pl\n",
                                ),
                            )
                        ),
                        Runs("uv run pytest", "1 passed\n"),
                        Answers("Loading takes four seconds with polars."),
                    ),
                ),
            ),
        ),
        # Archived: indexed and searchable, but not remembered.
        Session(
            key="payment-providers",
            project=SHOP,
            format=Format.LEGACY,
            ended_hours_ago=7 * DAY,
            archived=True,
            turns=(
                Turn(
                    "Compare two payment providers for gift cards.",
                    (
                        Runs("rg -l giftCard src", "src/routes/cart.ts\n"),
                        Answers("Both can do it; the second has no test mode for partial refunds."),
                    ),
                ),
            ),
        ),
        # Named by the person, and a rule about money.
        Session(
            key="rounding",
            project=SHOP,
            format=Format.PAGINATED,
            ended_hours_ago=5 * DAY,
            branch="fix/rounding",
            name="Checkout rounding",
            turns=(
                Turn(
                    "The checkout total is one cent off for three lanterns with a discount.",
                    (
                        Runs("pnpm test checkout", "expected 8997, received 8996.999999999998\n", exit_code=1),
                        Answers("The discount multiplies a float."),
                    ),
                ),
                Turn(
                    "Prices are integers in cents. Never use floats for money.",
                    (
                        Patches(
                            (
                                Edit(
                                    "src/checkout/discount.ts",
                                    old="return price * (1 - percent / 100);\n",
                                    new="return price - Math.round((price * percent) / 100);\n",
                                ),
                            )
                        ),
                        Runs("pnpm test checkout", "14 tests, 14 passed\n"),
                        Answers("Discounts are whole cents now, and the total is right."),
                    ),
                ),
            ),
        ),
        # Secrets in a prompt and in what a command printed; the rest is worth remembering.
        Session(
            key="upload",
            project=TIDES,
            format=Format.PAGINATED,
            ended_hours_ago=3 * DAY,
            turns=(
                Turn(
                    "Upload the Parquet files to the bucket every night."
                    f" The report needs OPENAI_API_KEY={secrets.model_api_key} too."
                    " Do not put keys into the repository.",
                    (
                        Runs(
                            "env | sort | grep -E 'AWS|DATABASE'",
                            f"AWS_ACCESS_KEY_ID={secrets.cloud_key_id}\n"
                            f"AWS_SECRET_ACCESS_KEY={secrets.cloud_secret_key}\n"
                            f"DATABASE_URL=postgres://tides:{secrets.database_password}@127.0.0.1/tides\n",
                        ),
                        Patches(
                            (
                                Edit(
                                    "deploy/upload.timer",
                                    new="[Timer]\nOnCalendar=02:30\nPersistent=true\n",
                                ),
                            )
                        ),
                        Runs("systemd-analyze verify deploy/upload.timer", "upload.service is missing\n", exit_code=1),
                        Patches(
                            (
                                Edit(
                                    "deploy/upload.service",
                                    new="[Service]\nType=oneshot\nEnvironmentFile=%h/.config/tides.env\n"
                                    "ExecStart=uv run python -m tides.upload\n",
                                ),
                            )
                        ),
                        Runs("systemd-analyze verify deploy/upload.timer", ""),
                        Answers("The timer runs at half past two; keys come from a file outside the repository."),
                    ),
                ),
            ),
        ),
        # Interrupted by the person, who then says what to do instead.
        Session(
            key="search",
            project=SHOP,
            format=Format.LEGACY,
            ended_hours_ago=30.0,
            branch="feature/search",
            turns=(
                Turn(
                    "Make the product search find lanterns with typing mistakes.",
                    (Runs("pnpm add some-search-library", "added 112 packages\n"),),
                    aborted=True,
                ),
                Turn(
                    "Don't add dependencies for this. Use the trigram index of postgres instead.",
                    (
                        Runs("git checkout package.json pnpm-lock.yaml", "Updated 2 paths\n"),
                        Patches(
                            (
                                Edit(
                                    "migrations/0043_index_product_names.sql",
                                    new="CREATE INDEX ON products USING gin (name gin_trgm_ops);\n",
                                ),
                            )
                        ),
                        Runs("pnpm db:migrate", "Applied 0043_index_product_names\n"),
                        Answers("Searching for `lanten` finds lanterns, with no new dependency."),
                    ),
                ),
            ),
        ),
        # Not idle for long enough: the person may still be at it.
        Session(
            key="gap-report",
            project=TIDES,
            format=Format.PAGINATED,
            ended_hours_ago=0.3,
            turns=(
                Turn(
                    "Which stations have gaps longer than an hour?",
                    (
                        Runs("uv run python -m tides.gaps", "station 07: 3 gaps\nstation 11: 1 gap\n"),
                        Answers("Stations 07 and 11."),
                    ),
                ),
            ),
        ),
    )
