"""Which files a patch touches, as it names them itself.

A patch comes as a tool of its own, or inside a shell command that pipes it into `apply_patch`.
"""

import re

import msgspec

from state.decoders import json_decoder

PATCH_TOOL = "apply_patch"
PATCH_BEGIN = "*** Begin Patch"

FILES_MAX = 1_000
"""Files kept of one patch. A patch of more files is a generated one, and its list says nothing any more."""

_HEADER = re.compile(r"^\*\*\* (?:Update File|Add File|Delete File|Move to): (.+?)\s*$", re.MULTILINE)
_APPLY_PATCH = re.compile(r"(?:^|&&|\|\||[;\n|])\s*(?:apply_patch|applypatch)\b")


class _Arguments(msgspec.Struct):
    input: str


_decode_arguments = json_decoder(_Arguments).decode


def called_patch(arguments: str) -> str:
    """The patch in the JSON arguments of a call of PATCH_TOOL; '' when it is not there."""
    try:
        return _decode_arguments(arguments).input
    except ValueError:
        return ""


def patched_files(patch: str) -> tuple[str, ...]:
    """The paths in a patch's headers, as written, each once, in order."""
    return tuple(dict.fromkeys(_HEADER.findall(patch)))[:FILES_MAX]


def applies_patch(command: str) -> bool:
    """True when a command line runs `apply_patch` on a patch that stands in it."""
    return PATCH_BEGIN in command and _APPLY_PATCH.search(command) is not None


def patch_succeeded(printed: str, exit_code: int | None) -> bool | None:
    """Whether a patch was applied, from its exit code or else from the tool's own words; None when they do not say."""
    if exit_code is not None:
        return exit_code == 0
    first_line = printed.strip().partition("\n")[0].lower()
    if first_line.startswith("success"):
        return True
    return False if any(word in first_line for word in ("failed", "unsupported", "error", "invalid")) else None
