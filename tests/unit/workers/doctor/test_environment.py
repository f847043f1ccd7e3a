"""The machine, the configuration and the model: each trouble is a finding with a repair, and ends nothing."""

from pathlib import Path

import pytest
import trio

from config import Paths, Settings
from config.responses import ResponsesSettings
from state import integrity
from state.errors import StateFolderError
from workers.doctor import environment, provider
from workers.doctor.environment import WATCHES_SPARE, check_configuration, check_machine, check_watching
from workers.doctor.finding import FINDINGS_OF_ONE_CODE_MAX, TEXT_CHARS_MAX, Area, Finding, Findings, Severity, shown
from workers.doctor.provider import check_provider


def only(findings: Findings, code: str) -> Finding:
    """The one finding of this code."""
    (finding,) = (one for one in findings.kept if one.code == code)
    return finding


def test_this_machine_is_in_order() -> None:
    findings = Findings()
    check_machine(findings)

    assert [one.severity for one in findings.kept] == [Severity.OK, Severity.OK]


def test_sqlite_that_loses_data_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise StateFolderError("SQLite 3.51.0 can corrupt a database", hint="install another")

    monkeypatch.setattr(environment, "sqlite_version", refuse)
    findings = Findings()
    check_machine(findings)

    assert only(findings, "sqlite").severity is Severity.ERROR
    assert only(findings, "sqlite").repair == "install another"
    assert integrity.sqlite_version().count(".") == 2


@pytest.mark.parametrize(
    ("watches", "instances", "notes"),
    [("100000", "128", 0), (str(WATCHES_SPARE + 9), "128", 1), ("100000", "4", 1), ("", "words", 0)],
)
def test_too_few_watches_are_a_note(tmp_path: Path, watches: str, instances: str, notes: int) -> None:
    (tmp_path / "max_user_watches").write_text(watches)
    (tmp_path / "max_user_instances").write_text(instances)
    findings = Findings()
    check_watching(findings, 10, 10.0, limits=tmp_path)

    assert [one.severity for one in findings.kept] == [Severity.NOTE] * notes
    assert all("sysctl" in one.repair for one in findings.kept)


def paths(tmp_path: Path, *, exists: bool) -> Paths:
    """Paths whose configuration file is in `tmp_path`."""
    file = tmp_path / "config.toml"
    if exists:
        file.write_text("")
        file.chmod(0o600)
    return Paths(codex_home=tmp_path, state_dir=tmp_path / "state", config_file=file, config_exists=exists)


@pytest.mark.parametrize(("exists", "words"), [(True, "is understood"), (False, "the defaults are in force")])
def test_where_the_settings_come_from_is_told(tmp_path: Path, exists: bool, words: str) -> None:
    findings = Findings()
    check_configuration(findings, paths(tmp_path, exists=exists), Settings(), None)

    assert words in only(findings, "configuration").found
    assert not findings.is_wrong


def test_trouble_with_the_configuration_is_an_error(tmp_path: Path) -> None:
    findings = Findings()
    check_configuration(findings, paths(tmp_path, exists=True), Settings(), "extraction.modle is unknown")

    assert only(findings, "configuration").found == "extraction.modle is unknown"
    assert only(findings, "configuration").severity is Severity.ERROR


def test_configuration_that_others_may_change_is_a_warning(tmp_path: Path) -> None:
    where = paths(tmp_path, exists=True)
    where.config_file.chmod(0o666)
    findings = Findings()
    check_configuration(findings, where, Settings(), None)

    assert only(findings, "loose_file").severity is Severity.WARNING


@pytest.mark.parametrize("mode", [0o600, 0o644, None], ids=["private", "loose", "missing"])
def test_key_file_is_for_its_user_alone(tmp_path: Path, mode: int | None) -> None:
    key = tmp_path / "key"
    if mode is not None:
        key.write_text("k")
        key.chmod(mode)
    findings = Findings()
    settings = Settings(responses=ResponsesSettings(api_key_file=str(key)))
    check_configuration(findings, paths(tmp_path, exists=False), settings, None)

    assert {one.code for one in findings.kept if one.is_wrong} == (set() if mode == 0o600 else {"key_file"})


def test_key_file_of_nobody_is_a_finding(tmp_path: Path) -> None:
    findings = Findings()
    settings = Settings(responses=ResponsesSettings(api_key_file="~nobody-of-this-name/key"))
    check_configuration(findings, paths(tmp_path, exists=False), settings, None)

    assert only(findings, "key_file").severity is Severity.ERROR


async def test_model_that_can_be_asked_is_in_order() -> None:
    findings = Findings()
    await check_provider(findings, Settings())

    assert only(findings, "model").severity is Severity.OK


async def test_model_that_refuses_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: Settings) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("the key was refused")

    monkeypatch.setattr(provider, "_reach", refuse)
    findings = Findings()
    await check_provider(findings, Settings())

    assert only(findings, "model").severity is Severity.WARNING
    assert "the key was refused" in only(findings, "model").found


async def test_model_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: Settings) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(provider, "_reach", hang)
    monkeypatch.setattr(provider, "REACH_SECONDS_MAX", 0.01)
    findings = Findings()
    await check_provider(findings, Settings())

    assert "did not answer" in only(findings, "model").found


def test_findings_are_bounded_counted_and_redacted() -> None:
    secret = "gh" + "p_" + "a1B2c3D4" * 5
    findings = Findings()
    for _ in range(FINDINGS_OF_ONE_CODE_MAX + 5):
        findings.add(Area.FILES, "many", Severity.NOTE, f"a {secret}", subject=secret)
    findings.add(Area.FILES, "one", Severity.WARNING, "x")

    assert len(findings.kept) == FINDINGS_OF_ONE_CODE_MAX + 1
    assert findings.counts["many"] == FINDINGS_OF_ONE_CODE_MAX + 5
    assert findings.is_wrong
    assert secret not in repr(findings.kept)
    assert findings.has("one", "none")
    assert not findings.has("none")


def test_finding_beyond_the_bound_is_still_wrong() -> None:
    findings = Findings()
    for number in range(FINDINGS_OF_ONE_CODE_MAX + 1):
        severity = Severity.NOTE if number < FINDINGS_OF_ONE_CODE_MAX else Severity.WARNING
        findings.add(Area.FILES, "many", severity, "x")

    assert findings.is_wrong


def test_shown_value_is_redacted_before_it_is_cut() -> None:
    secret = "gh" + "p_" + "a1B2c3D4" * 5
    text = shown("x" * (TEXT_CHARS_MAX - 10) + " " + secret)

    assert "ghp_" not in text
    assert shown(None) == "nothing"
    assert shown("a") == '"a"'
