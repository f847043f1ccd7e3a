"""What is asked about stored threads is answered as the app-server answers it."""

import pytest

from tests.interop.app_server.conftest import Reader
from tests.interop.app_server.differences import differences
from tests.interop.app_server.questions import QUESTIONS, Question

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_answer_is_that_of_the_real_binary(question: Question, library: tuple[Reader, Reader]) -> None:
    codex, memoryd = library
    theirs = codex.normal.of(codex.server.ask(question.method, question.params))
    ours = memoryd.normal.of(memoryd.server.ask(question.method, question.params))

    if question.refused is not None:
        assert theirs == {"error": {"code": question.code, "message": question.refused}}
    found = differences(question.name, question.method, theirs, ours)
    assert not found, "\n".join(found)
