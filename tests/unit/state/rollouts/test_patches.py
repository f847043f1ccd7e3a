"""A patch names its files, wherever it stands."""

import pytest

from state.rollouts.patches import FILES_MAX, applies_patch, called_patch, patch_succeeded, patched_files

PATCH = """*** Begin Patch
*** Update File: src/a b.py
*** Move to: src/c.py
@@
-old
+*** Add File: not a header
*** Add File: docs/new.md
+text
*** Delete File: gone.txt
*** Update File: src/a b.py
*** End Patch"""


def test_files_are_those_of_the_headers_each_once_in_order() -> None:
    assert patched_files(PATCH) == ("src/a b.py", "src/c.py", "docs/new.md", "gone.txt")
    assert patched_files(PATCH.replace("\n", "\r\n")) == patched_files(PATCH)
    assert patched_files("no patch") == ()


def test_files_are_bounded() -> None:
    assert len(patched_files("\n".join(f"*** Add File: {number}" for number in range(2 * FILES_MAX)))) == FILES_MAX


@pytest.mark.parametrize(
    ("command", "applies"),
    [
        (f"apply_patch <<'EOF'\n{PATCH}\nEOF\n", True),
        (f"cd /w && apply_patch <<'EOF'\n{PATCH}\nEOF", True),
        (f"applypatch '{PATCH}'", True),
        (f"apply_patch\n{PATCH}", True),
        (f"cat > patch.txt <<'EOF'\n{PATCH}\nEOF", False),
        ("apply_patch --help", False),
        ("grep '*** Begin Patch' notes", False),
        (f"echo my_apply_patch {PATCH}", False),
    ],
)
def test_command_applies_a_patch_that_stands_in_it(command: str, applies: bool) -> None:
    assert applies_patch(command) == applies


@pytest.mark.parametrize(("arguments", "patch"), [('{"input":"*** x\\n"}', "*** x\n"), ("{}", ""), ("no JSON", "")])
def test_called_patch_is_in_the_arguments(arguments: str, patch: str) -> None:
    assert called_patch(arguments) == patch


@pytest.mark.parametrize(
    ("printed", "exit_code", "succeeded"),
    [
        ("Success. Updated the following files:\nA x", None, True),
        ("anything", 0, True),
        ("Success", 1, False),
        ("apply_patch verification failed: no such file", None, False),
        ("unsupported custom tool call: apply_patch", None, False),
        ("Done!", None, None),
        ("", None, None),
    ],
)
def test_exit_code_says_whether_a_patch_was_applied_else_the_words(
    printed: str, exit_code: int | None, succeeded: bool | None
) -> None:
    assert patch_succeeded(printed, exit_code) is succeeded
