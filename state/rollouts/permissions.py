"""What a turn was allowed to do, as the permission profile that Codex keeps of it.

Today's transcripts carry the profile itself; it is kept as compact JSON, as written. Older ones carry a
`sandbox_policy` only, which Codex turns into the profile that means the same. The profiles below are the ones it
makes, to the byte, as far as the transcript decides them: it also protects folders that it sees on the disk, and what
is on the disk now says nothing about then.
"""

from functools import lru_cache

import msgspec

from state.rollouts.envelope import compact

READ_ONLY = (
    '{"type":"managed","file_system":{"type":"restricted","entries":'
    '[{"path":{"type":"special","value":{"kind":"root"}},"access":"read"}]},"network":"restricted"}'
)
"""What a thread may do that never said otherwise."""

_DISABLED = '{"type":"disabled"}'

_PROTECTED_FOLDERS = (".git", ".agents", ".codex", ".aws")
"""Below a writable project these stay read-only: what is in them decides what runs later."""


class SandboxPolicy(msgspec.Struct):
    """The older form; the oldest calls its type `mode`. `network_access` is a word in an external sandbox."""

    type: str = ""
    mode: str = ""
    writable_roots: list[str] = []
    network_access: bool | str = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False


_Json = dict[str, object]

KEPT_BYTES = 2_000
"""Shorter profiles are the same turn after turn, and session after session, so their compact forms are kept."""


def permission_json(profile: msgspec.Raw, policy: SandboxPolicy | None, cwd: str) -> str | None:
    """The profile of a turn as compact JSON; None when the turn says nothing that is understood.

    `profile` is empty or null when the line has none; `cwd` is the turn's own.

    Raises:
      ValueError: the profile is not UTF-8.
    """
    if (written := bytes(profile)) not in (b"", b"null"):
        return _compact_again(written) if len(written) < KEPT_BYTES else compact(profile)
    if policy is None:
        return None
    network = "enabled" if policy.network_access in (True, "enabled") else "restricted"
    match policy.type or policy.mode:
        case "danger-full-access":
            return _DISABLED
        case "external-sandbox":
            return _encode({"type": "external", "network": network})
        case "read-only":
            return _managed([_entry(_special("root"), "read")], network)
        case "workspace-write":
            return _managed(_workspace_entries(policy, cwd), network)
    return None


@lru_cache(maxsize=256)
def _compact_again(written: bytes) -> str:
    return compact(msgspec.Raw(written))


def _workspace_entries(policy: SandboxPolicy, cwd: str) -> list[_Json]:
    writable = [_special("project_roots")]
    if not policy.exclude_slash_tmp:
        writable.append(_special("slash_tmp"))
    if not policy.exclude_tmpdir_env_var:
        writable.append(_special("tmpdir"))
    writable += [_path(root) for root in policy.writable_roots]
    protected = [_special("project_roots", subpath=folder) for folder in _PROTECTED_FOLDERS]
    if cwd.startswith("/"):
        protected.append(_path(f"{cwd.rstrip('/')}/.codex"))
    return [
        _entry(_special("root"), "read"),
        *(_entry(path, "write") for path in writable),
        *(_entry(path, "read") | {"missing_path_behavior": "skip"} for path in protected),
    ]


def _managed(entries: list[_Json], network: str) -> str:
    file_system = {"type": "restricted", "entries": entries}
    return _encode({"type": "managed", "file_system": file_system, "network": network})


def _entry(path: _Json, access: str) -> _Json:
    return {"path": path, "access": access}


def _special(kind: str, **more: str) -> _Json:
    return {"type": "special", "value": {"kind": kind} | more}


def _path(path: str) -> _Json:
    return {"type": "path", "path": path}


def _encode(profile: _Json) -> str:
    return msgspec.json.encode(profile).decode()
