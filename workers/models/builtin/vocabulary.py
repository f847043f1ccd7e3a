"""Words that say nothing by themselves, in the languages that the built-in model knows a little of.

Lists are lower case. They decide what is chit-chat and which words a topic is made of, never what is stored.
"""

import re

_WORD = re.compile(r"[^\W_]+(?:['’_-]+[^\W_]+)*")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Kana and Han: written without blanks between words."""
CHARACTERS_PER_WORD = 2
"""Of unspaced scripts; close enough to tell a word from a sentence."""


def vocabulary(*lists: str) -> frozenset[str]:
    """The words of the lists, which are separated by blanks."""
    return frozenset(word for words in lists for word in words.split())


PRONOUNS = vocabulary(
    "i me my mine we us our you your he she it its they them their this that these those one ones thing things stuff",
    "ich du er sie es wir ihr mein dein das dies diese dieser dieses",
    "je tu il elle nous vous ils ce ça cela ceci",
    "yo tú él ella nosotros eso esto esa ese esta este lo la",
)
"""Here and below: English, German, French, Spanish; then Chinese, Japanese and Korean where they fit."""

STOP_WORDS = PRONOUNS | vocabulary(
    "a an the and or but if then than so as at by for from in into of off on onto out over to up with without about",
    "be is are was were been being am do does did done doing have has had will would shall should can could may might",
    "must not no nor never always ever please just only also too very really here there now again anymore more any",
    "some all when whenever while until before after because since instead rather use using used make makes sure",
    "don't dont doesn't want let's ok okay actually prefer remember stop avoid",
    "der die den dem ein eine einen und oder aber nicht kein keine keinen nie niemals immer bitte für mit von zu im am",
    "auf aus bei ist sind war verwende benutze nutze statt",
    "le les un une des et ou mais ne pas jamais toujours pour avec de du en dans est sont utilise au lieu",
    "el los las una unos y o pero nunca siempre por favor para con es son usa utiliza lugar",
)
"""What a topic leaves out: grammar, and the words by which a wish is known."""

CHATTER = vocabulary(
    "yes yep yeah yup y no nope n ok okay k sure fine good great nice perfect cool awesome excellent wonderful lovely",
    "thanks thank thx ty cheers please pls you so much very a lot again once more and then now next continue proceed",
    "go on ahead keep going do it that this try retry same right exactly correct done ready lgtm looks look hi hello",
    "hey there world morning evening afternoon all everyone bye goodbye see later say nothing ping pong test testing",
    "hmm um well wow oh ah the is was one works working work sounds alright agreed approved confirm confirmed wait",
    "stop never mind nevermind plain dear agent assistant codex help me",
    "ja nein danke bitte weiter gut super passt hallo moin servus genau mach das nochmal noch mal einmal und jetzt los",
    "oui non merci bonjour salut parfait bien encore vas-y d'accord",
    "sí si gracias hola sigue continúa adelante vale bueno perfecto otra vez de nuevo",
    "好 好的 是 是的 可以 谢谢 謝謝 继续 繼續 你好 行 嗯 对 没问题",
    "はい いいえ ありがとう ありがとうございます 続けて お願いします こんにちは 了解",
    "네 예 아니요 감사합니다 고마워 계속 안녕 안녕하세요 좋아",
)
"""A message of these words alone greets, thanks, agrees or says "go on"."""

LOOKING_AROUND = vocabulary(
    "look around explore browse inspect check out read open show list tell what what's in at files file folder",
    "directory code codebase repo repository project here current our my some first quickly take have agents readme md",
    "familiarize yourself with get an overview of everything can could just let's start by",
)
"""With these words too, a message asks to look around, whatever for."""


def words_of(text: str) -> list[str]:
    """The words of a text, folded: `It's a test_case` gives it's, a, test_case."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The words that carry meaning, in their order, doubled ones included."""
    return [word for word in words_of(text) if word not in STOP_WORDS]


def word_count(text: str) -> int:
    """How many words with a letter a text has; unspaced scripts are counted by their characters."""
    spaced = _UNSPACED.sub(" ", text).split()
    return sum(any(map(str.isalpha, word)) for word in spaced) + _unspaced_word_count(text)


def content_count(text: str) -> int:
    """How many words carry meaning; in unspaced scripts every word counts."""
    return len(content_words(_UNSPACED.sub(" ", text))) + _unspaced_word_count(text)


def _unspaced_word_count(text: str) -> int:
    return len(_UNSPACED.findall(text)) // CHARACTERS_PER_WORD


def is_chatter(text: str) -> bool:
    """True for greetings, thanks, consent and "go on", and for text without a word."""
    return all(word in CHATTER for word in words_of(text))


def is_looking_around(text: str) -> bool:
    """True for chatter and for a wish to look around, which says nothing about what for."""
    return all(word in CHATTER or word in LOOKING_AROUND for word in words_of(text))
