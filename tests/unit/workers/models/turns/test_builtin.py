"""The built-in model says what is remembered of the folder and fits the prompt, and says so when nothing does."""

from collections.abc import Sequence

import trio

from workers.models.turns.builtin import LINES_MAX, NOTHING_FITS, BuiltinTurnModel, fitting_lines
from workers.models.turns.protocol import ItemDone, MessageDelta, Piece, Question

LINES = ["Use pnpm, never npm", "The tests need a database", "Deploy on Fridays is forbidden"]


async def remembered(cwd: str) -> Sequence[str]:
    await trio.lowlevel.checkpoint()
    return LINES if cwd == "/home/ann/shop" else []


async def answer(prompt: str, cwd: str = "/home/ann/shop") -> str:
    told: list[Piece] = []

    async def tell(piece: Piece) -> None:
        await trio.lowlevel.checkpoint()
        told.append(piece)

    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
    question = Question(thread_id="t", model="builtin", cwd=cwd, instructions="", items=[item])
    answered = await BuiltinTurnModel(remembered).answer(question, tell)
    assert answered.usage is None
    text = "".join(piece.text for piece in told if isinstance(piece, MessageDelta))
    assert [piece.item["content"][0]["text"] for piece in told if isinstance(piece, ItemDone)] == [text]
    return text


async def test_what_fits_the_words_of_the_prompt_is_said_best_first() -> None:
    text = await answer("May I deploy on a Friday, and do the TESTS need npm?")

    assert text.splitlines()[1:] == [
        "- The tests need a database",
        "- Use pnpm, never npm",
        "- Deploy on Fridays is forbidden",
    ]
    assert text == await answer("May I deploy on a Friday, and do the TESTS need npm?")


async def test_nothing_that_fits_is_said_plainly() -> None:
    assert await answer("Who are you?") == NOTHING_FITS
    assert await answer("npm", cwd="/home/ann/other") == NOTHING_FITS


def test_no_more_lines_are_said_than_anybody_reads() -> None:
    assert len(fitting_lines([f"line {number}" for number in range(99)], "line")) == LINES_MAX
