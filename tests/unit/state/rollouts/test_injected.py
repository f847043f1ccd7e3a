"""What the agent's program says in the role of the user is told from what the person says."""

import pytest

from state.rollouts.injected import is_injected


@pytest.mark.parametrize(
    "text",
    [
        "<environment_context>\n  <cwd>/w</cwd>\n</environment_context>",
        " <ENVIRONMENT_CONTEXT>x",
        "<user_instructions>\nrules\n</user_instructions>",
        "<permissions instructions>\nread-only\n</permissions instructions>",
        "<turn_aborted>\nThe user interrupted\n</turn_aborted>",
        "<skill>\n<name>x</name>\n</skill>\n",
        "# AGENTS.md instructions for /home/ann/shop\n\n<INSTRUCTIONS>\nrules\n</INSTRUCTIONS>",
    ],
)
def test_injected_text_is_known_by_its_beginning(text: str) -> None:
    assert is_injected(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "please look at <environment_context>",
        "<skill> is a tag of ours, why?",
        "# AGENTS.md instructions for beginners, please write them",
        "<environment_contextual> is misspelt",
        "<div>centre this</div>",
    ],
)
def test_text_of_a_person_is_not_injected(text: str) -> None:
    assert not is_injected(text)
