"""Rules are imported when they are first asked for."""

import pytest

from state.messages.base import Request
from state.messages.service import ListWorkers, RegisterProcess
from state.rules import service
from state.rules.late import LateRules, Module

_messages = Module("state.messages.service")
_rules = Module("state.rules.service")


def _two() -> LateRules:
    return LateRules(
        {
            _messages.ListWorkers: _rules.list_workers,
            _messages.RegisterProcess: _rules.register_process,
        }
    )


def test_a_rule_is_there_once_it_was_asked_for() -> None:
    rules = _two()

    assert dict(rules) == {}
    assert rules[ListWorkers] is service.list_workers
    assert dict(rules) == {ListWorkers: service.list_workers}


def test_the_whole_holds_every_rule() -> None:
    assert _two().whole() == {ListWorkers: service.list_workers, RegisterProcess: service.register_process}


def test_a_rule_that_was_replaced_stays_replaced_in_the_whole() -> None:
    rules = _two()
    rules[ListWorkers] = service.register_process

    assert rules.whole()[ListWorkers] is service.register_process


def test_a_request_that_has_no_rule_is_a_key_error() -> None:
    class Unknown(Request[None]):
        pass

    with pytest.raises(KeyError):
        _two()[Unknown]


def test_a_misspelt_rule_is_found_in_the_whole() -> None:
    rules = LateRules({_messages.ListWorkers: _rules.list_wrokers})

    with pytest.raises(AttributeError, match="list_wrokers"):
        rules.whole()
