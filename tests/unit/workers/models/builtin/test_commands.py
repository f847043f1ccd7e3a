"""What a command line is about, and what makes two of them the same."""

import pytest

from workers.models.builtin.commands import Command, parse_command


def parsed(text: str) -> Command:
    """The command of a line that has one."""
    command = parse_command(text)
    assert command is not None
    return command


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ("pytest -q tests", ("pytest", "")),
        ("/bin/bash -lc 'cd x && uv run pytest -x'", ("pytest", "")),
        ('bash -lc "pytest -k \\"a b\\""', ("pytest", "")),
        ("python3 -m pytest", ("pytest", "")),
        ("CI=1 timeout 60 npx jest", ("jest", "")),
        ("npm run test -- --watch", ("npm", "test")),
        ("pnpm test", ("npm", "test")),
        ("yarn exec eslint .", ("eslint", "")),
        ("cd web && npm ci && npm run build", ("npm", "build")),
        ("python manage.py migrate", ("manage.py", "migrate")),
        ("python tools/run.py --fast", ("python", "tools/run.py")),
        ("uv pip install x", ("pip", "install")),
        ("python -m pip install x", ("pip", "install")),
        ("sudo apt-get install -y x", ("apt-get", "install")),
        ("git -C sub -c a=b push origin", ("git", "push")),
        ("docker compose up -d", ("docker", "up")),
        ("./gradlew build", ("gradlew", "build")),
        ("make", ("make", "")),
        ("make \\\n  test", ("make", "test")),
        ("cat > a.py <<'EOF'\nimport x | y\nEOF", ("cat", "")),
        ("'unbalanced quote", ("'unbalanced", "")),
    ],
)
def test_purpose_is_the_program_and_what_it_is_to_do(text: str, purpose: tuple[str, str]) -> None:
    assert parsed(text).purpose == purpose


@pytest.mark.parametrize("text", ["", "  \n", "&&", ";;", "# a comment"])
def test_line_without_a_word_is_no_command(text: str) -> None:
    assert parse_command(text) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pytest", "pytest -q"),
        ("pytest -x --tb=short", "pytest 2>&1"),
        ("npm test", "npm run test"),
        ("bash -lc 'make test'", "make test > out.txt"),
        ("npm install -y", "npm install --verbose"),
    ],
)
def test_verbosity_and_output_make_no_difference(one: str, other: str) -> None:
    assert not parsed(one).differs_from(parsed(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pytest", "uv run pytest"),
        ("pytest", "PYTHONPATH=. pytest"),
        ("npm test", "cd web && npm test"),
        ("npm test", "pnpm test"),
        ("npm install", "npm install --legacy-peer-deps"),
        ("pytest", "pytest tests"),
        ("make build", "make test"),
    ],
)
def test_runner_variables_folder_options_and_operands_make_a_difference(one: str, other: str) -> None:
    assert parsed(one).differs_from(parsed(other))


LOOKS = ("ls -la", "grep x y", "test -f a", "git diff --exit-code", "git status", "false", "cat a", "sed -n 1p a")


@pytest.mark.parametrize("text", [*LOOKS, "ps | grep x", "make; echo $?"])
def test_looking_changes_nothing_and_its_exit_code_is_an_answer(text: str) -> None:
    assert parsed(text).only_looks


@pytest.mark.parametrize("text", ["pytest", "git push", "sed -i s/a/b/ f", "make | tail -5", "npm ci", "rm a"])
def test_doing_is_not_looking(text: str) -> None:
    assert not parsed(text).only_looks


def test_end_of_a_pipeline_hides_the_exit_code() -> None:
    assert parsed("pytest 2>&1 | tail -5").is_piped
    assert parsed("cd x && pytest |& tee log").is_piped
    assert not parsed("pytest -k 'a|b'").is_piped


def test_shown_line_leaves_out_what_becomes_of_the_output() -> None:
    assert parsed("pip install -e . 2>&1 | tail -3").line == "pip install -e ."
    assert parsed("make > log.txt 2>&1").line == "make"
