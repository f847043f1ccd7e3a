"""From defaults, a file, the environment and flags to settings; and one clear sentence for everything that is wrong."""

from pathlib import Path
from typing import Any

import pytest

from config import ConfigError, Settings, load
from config.load import ENVIRONMENT_PREFIX
from tests.unit.config.every_setting import KEYS


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    """Writes a configuration file; answers its path."""

    def write(text: str) -> Path:
        file = tmp_path / "config.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def refused(file: Path | None = None, environment: dict[str, str] | None = None, *overrides: str) -> ConfigError:
    """The error that loading these sources ends in."""
    with pytest.raises(ConfigError) as error:
        load(file, environment or {}, overrides)
    return error.value


def test_nothing_given_means_the_defaults() -> None:
    assert load(None, {}, []) == Settings()


def test_empty_file_means_the_defaults(toml: Any) -> None:
    assert load(toml(""), {}, []) == Settings()
    assert load(toml("[extraction]\n"), {}, []) == Settings()


def test_later_sources_win_key_by_key(toml: Any) -> None:
    file = toml("[extraction]\nworkers = 3\nmin_rollout_idle_hours = 3\n[backfill]\nrescan_seconds = 3\n")
    environment = {"MEMORYD_EXTRACTION_WORKERS": "4", "MEMORYD_EXTRACTION_MIN_ROLLOUT_IDLE_HOURS": "4"}

    settings = load(file, environment, ["extraction.workers=5"])

    assert settings.extraction.workers == 5
    assert settings.extraction.min_rollout_idle_hours == 4.0
    assert settings.backfill.rescan_seconds == 3.0
    assert settings.consolidation == Settings().consolidation


def test_last_of_several_flags_wins() -> None:
    assert load(None, {}, ["logs.level=debug", "logs.level=error"]).logs.level == "error"


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("extraction.workers=7", "extraction", "workers", 7),
        ("extraction.min_rollout_idle_hours=0.5", "extraction", "min_rollout_idle_hours", 0.5),
        ("extraction.min_rollout_idle_hours=2", "extraction", "min_rollout_idle_hours", 2.0),
        ("extraction.sources=cli, exec,", "extraction", "sources", ("cli", "exec")),
        ("extraction.sources=", "extraction", "sources", ()),
        ("extraction.max_rollout_age_days=", "extraction", "max_rollout_age_days", None),
        ("extraction.max_rollouts_per_startup=2", "extraction", "max_rollouts_per_startup", 2),
        (" logs.level = debug ", "logs", "level", "debug"),
        ("backfill.watch=true", "backfill", "watch", True),
        ("backfill.watch=false", "backfill", "watch", False),
        ("codex.model_provider_default=a=b", "codex", "model_provider_default", "a=b"),
        ("codex.model_provider_default=", "codex", "model_provider_default", ""),
    ],
)
def test_text_is_read_by_the_settings_own_type(override: str, section: str, key: str, value: Any) -> None:
    name, _, text = override.partition("=")
    variable = ENVIRONMENT_PREFIX + name.strip().replace(".", "_").upper()

    for settings in (load(None, {}, [override]), load(None, {variable: text.strip()}, [])):
        found = getattr(getattr(settings, section), key)
        assert found == value
        assert type(found) is type(value)


def test_value_that_the_file_sets_can_be_unset_later(toml: Any) -> None:
    file = toml("[extraction]\nmax_rollout_age_days = 5\n")

    assert load(file, {}, []).extraction.max_rollout_age_days == 5.0
    assert load(file, {"MEMORYD_EXTRACTION_MAX_ROLLOUT_AGE_DAYS": ""}, []).extraction.max_rollout_age_days is None


def test_whole_number_in_the_file_is_good_enough_for_a_number(toml: Any) -> None:
    settings = load(toml("[backfill]\nrescan_seconds = 3\n"), {}, [])

    assert settings.backfill.rescan_seconds == 3.0
    assert isinstance(settings.backfill.rescan_seconds, float)


def test_other_variables_are_not_looked_at() -> None:
    environment = {"MEMORYD_HOME": "/x", "MEMORYD_CONFIG": "/y", "EXTRACTION_WORKERS": "9", "PATH": "/bin"}

    assert load(None, environment, []) == Settings()


def test_unknown_section_is_refused_with_the_nearest_one(toml: Any) -> None:
    file = toml("[extracton]\nworkers = 1\n")

    error = refused(file)

    assert str(error) == f"there is no section [extracton] (in {file})"
    assert error.hint == "did you mean [extraction]?"


def test_unknown_section_without_a_near_one_is_refused_with_all_of_them(toml: Any) -> None:
    assert refused(toml("[zzz]\n")).hint == (
        "sections are [codex], [backfill], [extraction], [responses], [consolidation], [publish], [service], [logs]"
    )


def test_unknown_key_is_refused_with_the_nearest_one(toml: Any) -> None:
    file = toml("[extraction]\nworker = 1\n")

    error = refused(file)

    assert str(error) == f"there is no setting extraction.worker (in {file})"
    assert error.hint == "did you mean extraction.workers?"


def test_unknown_key_without_a_near_one_is_refused_with_all_of_them() -> None:
    error = refused(None, {}, "backfill.zzz=1")

    assert str(error) == "there is no setting backfill.zzz (in --set backfill.zzz=1)"
    assert error.hint == "known keys of [backfill]: watch, rescan_seconds"


def test_key_outside_any_section_is_refused(toml: Any) -> None:
    file = toml("workers = 1\n")

    assert str(refused(file)) == f"workers in {file} stands outside any section"
    assert "[extraction]" in refused(file).hint


@pytest.mark.parametrize(
    ("line", "message", "has_unit_hint"),
    [
        ('workers = "two"', 'extraction.workers must be a whole number, not "two"', True),
        ("workers = 1.5", "extraction.workers must be a whole number, not 1.5", False),
        ("workers = true", "extraction.workers must be a whole number, not true", False),
        (
            'min_rollout_idle_hours = "6h"',
            'extraction.min_rollout_idle_hours must be a number of hours, not "6h"',
            True,
        ),
        ("max_rollout_age_days = []", "extraction.max_rollout_age_days must be a number of days, not []", False),
        ("model = 1", "extraction.model must be a text, not 1", False),
        ('sources = "cli"', 'extraction.sources must be a list of texts, not "cli"', False),
        ("sources = [1]", "extraction.sources must be a list of texts, not [1]", False),
    ],
)
def test_value_of_the_wrong_type_is_refused_with_what_was_expected(
    toml: Any, line: str, message: str, has_unit_hint: bool
) -> None:
    file = toml(f"[extraction]\n{line}\n")

    error = refused(file)

    assert str(error) == f"{message} (in {file})"
    assert ("write the bare number" in error.hint) is has_unit_hint


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_truth_value_is_written_alike_everywhere(toml: Any, text: str, value: bool) -> None:
    assert load(toml(f"[publish]\ncodex = {text}\n"), {}, []).publish.codex is value
    assert load(None, {"MEMORYD_PUBLISH_CODEX": text}, []).publish.codex is value
    assert load(None, {}, [f"publish.codex={text}"]).publish.codex is value


@pytest.mark.parametrize("text", ["1", "yes", "True", "on", ""])
def test_what_is_neither_true_nor_false_is_refused(toml: Any, text: str) -> None:
    message = f'publish.codex must be true or false, not "{text}"'

    assert str(refused(None, {}, f"publish.codex={text}")) == f"{message} (in --set publish.codex={text})"
    file = toml(f'[publish]\ncodex = "{text}"\n')
    assert str(refused(file)) == f"{message} (in {file})"


def test_number_is_no_truth_value(toml: Any) -> None:
    file = toml("[publish]\ncodex = 1\n")

    assert str(refused(file)) == f"publish.codex must be true or false, not 1 (in {file})"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("extraction.workers=two", 'extraction.workers must be a whole number, not "two"'),
        ("extraction.workers=", 'extraction.workers must be a whole number, not ""'),
        ("service.grace_seconds=10s", 'service.grace_seconds must be a number of seconds, not "10s"'),
        ("logs.file_bytes_max=5 MB", 'logs.file_bytes_max must be a whole number of bytes, not "5 MB"'),
    ],
)
def test_text_that_is_no_number_is_refused_with_the_unit(override: str, message: str) -> None:
    error = refused(None, {}, override)

    assert str(error) == f"{message} (in --set {override})"
    assert error.hint == "the unit is part of the key's name; write the bare number"


@pytest.mark.parametrize("text", ["True", "yes", "1", "on", ""])
def test_text_that_is_no_truth_value_is_refused(text: str) -> None:
    error = refused(None, {}, f"backfill.watch={text}")

    assert str(error) == f'backfill.watch must be true or false, not "{text}" (in --set backfill.watch={text})'
    assert error.hint == ""


@pytest.mark.parametrize(("value", "shown"), [("1", "1"), ('"true"', '"true"'), ("[]", "[]")])
def test_truth_value_in_the_file_is_a_truth_value_of_toml(toml: Any, value: str, shown: str) -> None:
    file = toml(f"[backfill]\nwatch = {value}\n")

    assert str(refused(file)) == f"backfill.watch must be true or false, not {shown} (in {file})"
    assert load(toml("[backfill]\nwatch = false\n"), {}, []).backfill.watch is False


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("extraction.workers=0", "extraction.workers must be between 1 and 64, not 0"),
        ("extraction.workers=65", "extraction.workers must be between 1 and 64, not 65"),
        ("service.reaper_seconds=0.04", "service.reaper_seconds must be between 0.05 and 60, not 0.04"),
        ("service.grace_seconds=nan", "service.grace_seconds must be between 0 and 600, not nan"),
        ("service.grace_seconds=inf", "service.grace_seconds must be between 0 and 600, not inf"),
        ("extraction.running_max=1000000", "extraction.running_max must be between 1 and 1024, not 1000000"),
        (
            "consolidation.cooldown_seconds=2592000.5",
            "consolidation.cooldown_seconds must be between 0 and 2592000, not 2592000.5",
        ),
        (
            "consolidation.cooldown_seconds=1e30",
            "consolidation.cooldown_seconds must be between 0 and 2592000, not 1e+30",
        ),
        ("consolidation.max_unused_days=0", "consolidation.max_unused_days must be between 1 and 36500, not 0"),
        ("logs.level=loud", 'logs.level must be debug or info or warning or error, not "loud"'),
        ("extraction.model=gpt", 'extraction.model must be builtin or responses, not "gpt"'),
    ],
)
def test_value_out_of_its_range_is_refused_with_the_range(override: str, message: str) -> None:
    assert str(refused(None, {}, override)) == f"{message} (in --set {override})"


@pytest.mark.parametrize("override", ["extraction.workers=1", "extraction.workers=64", "service.reaper_seconds=0.05"])
def test_ends_of_a_range_are_part_of_it(override: str) -> None:
    load(None, {}, [override])


def test_environment_is_named_as_the_source() -> None:
    assert str(refused(None, {"MEMORYD_EXTRACTION_WORKERS": "x"})) == (
        'extraction.workers must be a whole number, not "x" (in the environment variable MEMORYD_EXTRACTION_WORKERS)'
    )


@pytest.mark.parametrize("override", ["extraction", "extraction.workers", "workers=1", "=", ""])
def test_flag_of_another_form_is_refused(override: str) -> None:
    assert str(refused(None, {}, override)) == f"--set {override} is not of the form section.key=value"


def test_file_that_is_not_toml_is_refused_with_the_place(toml: Any) -> None:
    error = refused(toml("[extraction\n"))

    assert "is not valid TOML" in str(error)
    assert "line 1" in str(error)


def test_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"[logs]\nlevel = '\xff'\n")

    assert f"the configuration file {file} is not valid TOML" in str(refused(file))


def test_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert str(refused(tmp_path / "missing.toml")).endswith("missing.toml: No such file or directory")
    assert str(refused(tmp_path)) == f"cannot read the configuration file {tmp_path}: Is a directory"


def test_wrong_value_of_an_earlier_source_does_not_matter_when_a_later_one_replaces_it(toml: Any) -> None:
    file = toml("[extraction]\nworkers = 1000\n")

    assert load(file, {}, ["extraction.workers=2"]).extraction.workers == 2


@pytest.mark.parametrize(
    ("section", "key"),
    KEYS,
)
def test_every_setting_can_be_given_by_its_variable_and_by_its_flag(section: str, key: str) -> None:
    default = getattr(getattr(Settings(), section), key)
    text = ",".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
    text = text.lower() if isinstance(default, bool) else text

    assert load(None, {f"MEMORYD_{section}_{key}".upper(): text}, []) == Settings()
    assert load(None, {}, [f"{section}.{key}={text}"]) == Settings()


def test_misspelt_environment_variable_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="MEMORYD_EXTRACTION_WORKER") as refused:
        load(None, {"MEMORYD_EXTRACTION_WORKER": "3"}, [])

    assert refused.value.hint == "did you mean extraction.workers?"
