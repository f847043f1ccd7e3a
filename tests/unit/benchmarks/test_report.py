"""The figures of a report are those of its repeats."""

import json

import pytest

from benchmarks.report import Report, Row, growth, interleaved

PEER = Row(name="peer", figure="requests/s", values=(100.0, 50.0, 200.0))
OURS = Row(name="ours", figure="requests/s", values=(400.0, 300.0, 500.0), peer="peer")


def test_a_ratio_is_of_medians_of_the_same_figure() -> None:
    report = Report(question="how fast?", settings={"callers": 1}, rows=[PEER, OURS])
    assert report.ratio(OURS) == 4.0
    assert report.ratio(PEER) is None


def test_the_document_keeps_every_repeat_and_survives_json() -> None:
    report = Report(
        question="how fast?",
        settings={"callers": 1},
        rows=[PEER, OURS],
        growth=[growth("list", "ms", {10: 1.0, 100: 10.0})],
    )
    document = json.loads(json.dumps(report.document()))
    assert document["rows"][1]["values"] == [400.0, 300.0, 500.0]
    assert document["rows"][1]["ratio"] == 4.0
    assert document["growth"][0]["exponent"] == 1.0
    assert {"memoryd", "python", "sqlite"} <= set(document["versions"])
    assert "4.00 x peer" in report.text()


@pytest.mark.parametrize(("power", "exponent"), [(0, 0.0), (1, 1.0), (2, 2.0)])
def test_growth_finds_the_power(power: int, exponent: float) -> None:
    found = growth("x", "ms", {size: 3.0 * size**power for size in (10, 100, 1000)})
    assert found.exponent == exponent


def test_growth_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more"):
        growth("x", "ms", {10: 1.0})


def test_every_other_repeat_runs_in_the_opposite_order() -> None:
    order: list[str] = []

    def noted(name: str) -> float:
        order.append(name)
        return float(len(order))

    values = interleaved({"a": lambda: noted("a"), "b": lambda: noted("b")}, 2)
    assert order == ["a", "b", "b", "a"]
    assert values == {"a": [1.0, 4.0], "b": [2.0, 3.0]}
