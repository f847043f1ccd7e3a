"""Every setting: its default, its unit, and what the example file says about it."""

import re
from pathlib import Path

import attrs
import pytest

import config
from config import Settings, load
from config.settings import (
    PAID_MODEL_AGE_DAYS_MAX,
    PAID_MODEL_ROLLOUTS_PER_STARTUP_MAX,
    RESCAN_SECONDS_UNWATCHED,
    RESCAN_SECONDS_WATCHED,
    BackfillSettings,
    ConsolidationSettings,
    ExtractionSettings,
)
from tests.unit.config.every_setting import KEYS, class_of

EXAMPLE = Path(config.__file__).parent / "example.toml"


def uncommented(text: str) -> str:
    """The example with the settings that are unset by default set as it suggests."""
    return re.sub(r"^# (\w+ = .*)$", r"\1", text, flags=re.MULTILINE)


def test_example_equals_the_defaults() -> None:
    assert load(EXAMPLE, {}, []) == Settings()


def test_example_with_its_suggestions_can_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(uncommented(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")

    assert load(file, {}, []).extraction.max_rollout_age_days is not None


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_example_mentions_every_setting_in_its_section(section: str, key: str) -> None:
    text = uncommented(EXAMPLE.read_text(encoding="utf-8"))
    (body,) = re.findall(rf"^\[{section}\]$(.*?)(?=^\[|\Z)", text, flags=re.MULTILINE | re.DOTALL)

    assert re.search(rf"^{key} = ", body, flags=re.MULTILINE)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_setting_is_explained_where_it_is_defined(section: str, key: str) -> None:
    cls = class_of(section)

    assert key in (cls.__doc__ or "")


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_setting_that_is_a_time_or_a_size_carries_its_unit(section: str, key: str) -> None:
    cls = class_of(section)
    kind = str(attrs.fields_dict(cls)[key].type)

    if "float" in kind:
        assert {"seconds", "hours", "days"} & set(key.split("_"))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Settings().extraction.workers = 3  # type: ignore[misc]  # that it cannot be set is the point


def test_hours_and_days_become_milliseconds() -> None:
    assert ExtractionSettings(min_rollout_idle_hours=0.5).idle_ms() == 1_800_000
    assert ExtractionSettings(max_rollout_age_days=1.5).age_ms_max() == 129_600_000
    assert ConsolidationSettings(max_unused_days=2).unused_ms_max() == 172_800_000
    assert ConsolidationSettings().unused_ms_max() is None


def test_model_that_costs_nothing_has_no_bounds_of_its_own() -> None:
    assert ExtractionSettings().age_ms_max() is None
    assert ExtractionSettings().rollouts_max() is None
    assert ExtractionSettings(max_rollouts_per_startup=7).rollouts_max() == 7


def test_model_that_costs_money_is_bounded_unless_a_person_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.settings.FREE_MODELS", frozenset())

    assert ExtractionSettings().age_ms_max() == PAID_MODEL_AGE_DAYS_MAX * 86_400_000
    assert ExtractionSettings().rollouts_max() == PAID_MODEL_ROLLOUTS_PER_STARTUP_MAX
    assert ExtractionSettings(max_rollout_age_days=30).age_ms_max() == 30 * 86_400_000
    assert ExtractionSettings(max_rollouts_per_startup=7).rollouts_max() == 7


def test_home_is_looked_at_more_often_while_nothing_is_heard_unless_a_person_says_how_often() -> None:
    assert BackfillSettings().rescan_seconds_while(watched=True) == RESCAN_SECONDS_WATCHED
    assert BackfillSettings().rescan_seconds_while(watched=False) == RESCAN_SECONDS_UNWATCHED
    assert RESCAN_SECONDS_UNWATCHED < RESCAN_SECONDS_WATCHED
    for watched in (True, False):
        assert BackfillSettings(rescan_seconds=7).rescan_seconds_while(watched=watched) == 7
