"""The lines that answer: one line each, whatever is in them."""

import json

from interfaces.rpc.messages import answer, notification, refusal


def test_an_answer_is_one_line_without_blanks() -> None:
    line = answer(7, {"name": "two\nlines \u2028 \u00e9", "turns": [], "cwd": None})
    assert line == '{"id":7,"result":{"name":"two\\nlines \u2028 \u00e9","turns":[],"cwd":null}}\n'.encode()


def test_half_of_a_surrogate_pair_becomes_a_question_mark_and_the_rest_stays() -> None:
    for line in (
        answer("a", "x\ud800y\u00e9"),
        notification("m", "x\ud800y\u00e9", 5),
        refusal(1, -1, "x\ud800y\u00e9"),
    ):
        assert line.count(b"\n") == 1
        assert "x?y\u00e9" in json.dumps(json.loads(line), ensure_ascii=False)
