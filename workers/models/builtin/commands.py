"""Command lines, understood as far as comparing them needs: what ran, and what it was to achieve.

A command line is a chain of pipelines. What it is for is its last one: `cd web && npm ci && npm test` is about
`npm test`. The exit code of a pipeline is that of its end, so nothing can be concluded from `pytest | tail`.
"""

import re
import shlex

import attrs

from workers.models.builtin.vocabulary import vocabulary

COMMAND_CHARS_READ_MAX = 2_000
"""Longer command lines are scripts and documents; their beginning says what they are."""


@attrs.frozen(kw_only=True)
class Command:
    """One command line.

    Attributes:
      line: what ran, without the shell around it and what becomes of its output; may have several lines.
      program, action: what the line is about, e.g. "npm" and "test"; the same for the same intent, whichever runner,
        package manager or spelling of the interpreter was used.
      manner: how it was run: runner, variables, folder changes, options; sorted, without verbosity.
      operands: the words after the action that are no options.
      is_piped: True when the exit code is that of something after a pipe.
      only_looks: True when it changes nothing, or its exit code is an answer and no failure.
    """

    line: str
    program: str
    action: str
    manner: tuple[str, ...]
    operands: tuple[str, ...]
    is_piped: bool
    only_looks: bool

    @property
    def purpose(self) -> tuple[str, str]:
        """What two runs have in common that were to achieve the same."""
        return self.program, self.action

    def differs_from(self, other: "Command") -> bool:
        """True when the two are not one and the same command, verbosity and output aside."""
        return (self.purpose, self.manner, self.operands) != (other.purpose, other.manner, other.operands)


_SHELL = re.compile(r"(?:/\S*/)?(?:ba|z|da|k)?sh\s+-\w*c\s+(?P<script>.+)", re.DOTALL)
_PART = re.compile(
    r"\\.|'[^']*'|\"(?:\\.|[^\"\\])*\"|(?P<end>&&|\|\||;|\n|(?<![>&|])&(?![>&]))|(?P<pipe>\|&?)", re.DOTALL
)
_REDIRECTION = re.compile(r"\s*(?:\d|&)?>{1,2}\s*(?:&\d|[^\s;|&]+)")
_SHOWN_PART = re.compile(r"(?:\s*\|\s*(?:tail|head|tee|cat|grep|less|sort)\b[^|;&\n]*)+$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_VERBOSITY = re.compile(
    r"-[vqsxy]+|-r[aA]|--(?:verbose|quiet|silent|yes|no-header|no-summary|(?:colou?r|tb|maxfail|durations|progress)\b.*)"
)

_SETUP = vocabulary("cd export source . set pushd popd unset :")
_PREFIXES = vocabulary("sudo time env nice nohup exec stdbuf doas")
_ONE_WORD_RUNNERS = vocabulary("npx bunx uvx")
_TWO_WORD_RUNNERS = frozenset(
    f"{tool} {word}"
    for tools, words in (
        ("uv poetry pipenv hatch pdm rye pipx conda", "run"),
        ("bundle", "exec"),
        ("npm pnpm yarn", "exec dlx"),
    )
    for tool in tools.split()
    for word in words.split()
)
_SAME_PROGRAM = {
    "python3": "python",
    "py": "python",
    "pip3": "pip",
    "nodejs": "node",
    "gmake": "make",
    "docker-compose": "docker",
    "pnpm": "npm",
    "yarn": "npm",
    "bun": "npm",
}
_WITH_ACTIONS = vocabulary(
    "git npm cargo go docker kubectl make pip uv poetry just terraform gradle gradlew mvn mvnw dotnet bundle",
    "rake brew apt apt-get gh systemctl aws gcloud helm rails conda rustup swift mix composer php python node",
    "bash sh ruby deno nx turbo tox nox hatch task podman django-admin manage.py alembic",
)
"""Programs whose next word says what is done."""
_LOOKS = vocabulary(
    "ls cat head tail less more bat wc stat file tree find fd du df pwd grep egrep fgrep rg ag ack zgrep test",
    "[ [[ diff cmp comm which type whereis command hash false true expr echo printf printenv ps pgrep lsof",
    "sort uniq cut awk jq yq column nl xxd od date whoami id uname hostname man sleep wait kill history",
    "strings readlink realpath basename dirname tr tee",
)
"""Programs that only look, or whose exit code is an answer and no failure."""
_PASSES_ON = vocabulary("tail head tee cat")
"""Of these, the ones that show what is piped into them and ask nothing of it."""
_GIT_LOOKS = vocabulary(
    "status log show diff grep rev-parse ls-files ls-remote ls-tree blame branch remote describe cat-file",
    "merge-base config check-ignore reflog shortlog",
)


def parse_command(text: str) -> Command | None:
    """Understand a command line; None when there is no word in it."""
    script = _without_shell(text.strip())[:COMMAND_CHARS_READ_MAX].replace("\\\n", " ").strip()
    if "<<" in script:
        script = script.partition("\n")[0]
    pipelines = [[_words(part) for part in pipeline] for pipeline in _pipelines(script)]
    pipelines = [pipeline for pipeline in pipelines if pipeline[0]]
    if not pipelines:
        return None
    doing = [pipeline for pipeline in pipelines if pipeline[0][0] not in _SETUP]
    main = (doing or pipelines)[-1]
    setup = [" ".join(words[0]) for words in pipelines if words is not main and words[0][0] in _SETUP]
    runner, words = _without_runner(main[0])
    program = words[0].rpartition("/")[2] if words else ""
    manner = [*setup, " ".join(runner), program if program in _SAME_PROGRAM else ""]
    program = _SAME_PROGRAM.get(program, program)
    action, words = _action(program, words[1:])
    return Command(
        line=_SHOWN_PART.sub("", _REDIRECTION.sub("", script)),
        program=program,
        action=action,
        manner=tuple(sorted(part for part in (*manner, *filter(_is_manner, words)) if part)),
        operands=tuple(word for word in words if not word.startswith("-")),
        is_piped=len(main) > 1,
        only_looks=_only_looks(program, action, words, main),
    )


def _without_shell(text: str) -> str:
    shell = _SHELL.fullmatch(text)
    if shell is None:
        return text
    script = shell["script"]
    return (_words(script) or [script])[0] if script[:1] in "'\"" else script


def _pipelines(script: str) -> list[list[str]]:
    """The script's pipelines, each a list of commands."""
    pipelines: list[list[str]] = [[]]
    start = 0
    for part in _PART.finditer(script):
        if part["end"] or part["pipe"]:
            pipelines[-1].append(script[start : part.start()])
            start = part.end()
            if part["end"]:
                pipelines.append([])
    pipelines[-1].append(script[start:])
    return pipelines


def _words(command: str) -> list[str]:
    bare = _REDIRECTION.sub("", command).strip(" \t\n()")
    try:
        return shlex.split(bare, comments=True)
    except ValueError:
        return bare.split()


def _without_runner(words: list[str]) -> tuple[list[str], list[str]]:
    """What only says how to run (variables, `sudo`, `uv run`, `python -m`), and the words of the command itself."""
    count = 0
    while count < len(words) - 1:
        word, following = words[count], words[count + 1]
        if _ASSIGNMENT.match(word) or word in _PREFIXES or word in _ONE_WORD_RUNNERS:
            count += 1
        elif f"{word} {following}" in _TWO_WORD_RUNNERS or word == "timeout":
            count += 2
        elif f"{word} {following}" == "uv pip" or (_is_python(word) and following.endswith("manage.py")):
            count += 1
        elif _is_python(word) and following == "-m":
            count += 2
        else:
            break
    return words[:count], words[count:]


def _is_python(word: str) -> bool:
    return _SAME_PROGRAM.get(word, word) == "python"


def _action(program: str, words: list[str]) -> tuple[str, list[str]]:
    """What the program is to do, and the words after that."""
    if program == "git":
        while len(words) > 2 and words[0] in ("-C", "-c"):
            words = words[2:]
    if program == "npm" and words[:1] == ["run"]:
        words = words[1:]
    if program == "docker" and words[:1] == ["compose"]:
        words = words[1:]
    if program not in _WITH_ACTIONS or not words or words[0].startswith("-"):
        return "", words
    return words[0], words[1:]


def _is_manner(word: str) -> bool:
    return word.startswith("-") and not _VERBOSITY.fullmatch(word)


def _only_looks(program: str, action: str, words: list[str], pipeline: list[list[str]]) -> bool:
    if program == "git":
        return action in _GIT_LOOKS
    if program == "sed":
        return not any(word.startswith(("-i", "--in-place")) for word in words)
    return program in _LOOKS or any(part and part[0] in _LOOKS - _PASSES_ON for part in pipeline[1:])
