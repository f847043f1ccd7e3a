"""What a turn may do is kept as Codex keeps it, to the byte. The expected texts were taken from Codex's own rows."""

import msgspec
import pytest

from state.rollouts.permissions import READ_ONLY, SandboxPolicy, permission_json

NOTHING = msgspec.Raw(b"null")

_ROOT = '{"path":{"type":"special","value":{"kind":"root"}},"access":"read"}'
_PROTECTED = "".join(
    ',{"path":{"type":"special","value":{"kind":"project_roots","subpath":"' + folder + '"}},"access":"read",'
    '"missing_path_behavior":"skip"}'
    for folder in (".git", ".agents", ".codex", ".aws")
)


def _special(kind: str) -> str:
    return ',{"path":{"type":"special","value":{"kind":"' + kind + '"}},"access":"write"}'


def _managed(entries: str, network: str) -> str:
    file_system = '{"type":"restricted","entries":[' + entries + "]}"
    return '{"type":"managed","file_system":' + file_system + ',"network":"' + network + '"}'


@pytest.mark.parametrize(
    ("policy", "profile"),
    [
        (SandboxPolicy(type="read-only"), READ_ONLY),
        (SandboxPolicy(mode="read-only"), READ_ONLY),
        (SandboxPolicy(type="read-only", network_access=True), _managed(_ROOT, "enabled")),
        (SandboxPolicy(type="danger-full-access"), '{"type":"disabled"}'),
        (SandboxPolicy(type="external-sandbox"), '{"type":"external","network":"restricted"}'),
        (
            SandboxPolicy(type="external-sandbox", network_access="enabled"),
            '{"type":"external","network":"enabled"}',
        ),
        (
            SandboxPolicy(type="workspace-write"),
            _managed(
                _ROOT
                + _special("project_roots")
                + _special("slash_tmp")
                + _special("tmpdir")
                + _PROTECTED
                + ',{"path":{"type":"path","path":"/tc/.codex"},"access":"read","missing_path_behavior":"skip"}',
                "restricted",
            ),
        ),
        (
            SandboxPolicy(type="workspace-write", writable_roots=["/x"], network_access=True, exclude_slash_tmp=True),
            _managed(
                _ROOT
                + _special("project_roots")
                + _special("tmpdir")
                + ',{"path":{"type":"path","path":"/x"},"access":"write"}'
                + _PROTECTED
                + ',{"path":{"type":"path","path":"/tc/.codex"},"access":"read","missing_path_behavior":"skip"}',
                "enabled",
            ),
        ),
    ],
)
def test_older_policy_becomes_the_profile_that_means_the_same(policy: SandboxPolicy, profile: str) -> None:
    assert permission_json(NOTHING, policy, "/tc") == profile


@pytest.mark.parametrize("cwd", ["", "relative"])
def test_policy_without_a_whole_path_protects_none_of_it(cwd: str) -> None:
    profile = permission_json(NOTHING, SandboxPolicy(type="workspace-write", exclude_tmpdir_env_var=True), cwd)

    assert profile == _managed(_ROOT + _special("project_roots") + _special("slash_tmp") + _PROTECTED, "restricted")


def test_profile_goes_before_the_policy_and_is_made_compact() -> None:
    profile = msgspec.Raw(b'{ "type": "disabled" }')

    assert permission_json(profile, SandboxPolicy(type="read-only"), "/tc") == '{"type":"disabled"}'


@pytest.mark.parametrize("policy", [None, SandboxPolicy(type="no-such-policy"), SandboxPolicy()])
def test_what_is_not_understood_says_nothing(policy: SandboxPolicy | None) -> None:
    assert permission_json(NOTHING, policy, "/tc") is None
