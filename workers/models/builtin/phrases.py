"""The words around a wish: what comes before it, what takes something back, what ties it to the task in hand.

All patterns see lower case with quotations masked. English well, German, French, Spanish and CJK a little.
"""

import re


def _one_of(*alternatives: str) -> str:
    return f"(?:{'|'.join(alternatives)})"


_NOT = r"(?:do not|don't|dont)"
_GAP = r"[\s,.!:;–—-]*"

_FILLER_GAP = r"[\s,:!.–—'\"(-]*"
_FILLER_WORD = _one_of(
    r"ok(?:ay)?|so|and|but|also|then|btw|by the way|hey|hi|hello|please|pls|well|hmm+|oh|important|reminder",
    r"(?:one |general |ground )?rules?|preferences?|style|ps|nb|fyi|(?:one more|another) thing|again|now|next",
    r"yes|yeah|yep|sure|thanks|thank you|great|good|nice|perfect|cool|und|aber|bitte|et|mais|y|pero",
    r"s'il (?:te|vous) plaît|por favor",
)
FILLER = re.compile(rf"{_FILLER_GAP}(?:{_FILLER_WORD}\b{_FILLER_GAP})*")
"""What people say before they say it."""

_NO_AS_A_WORD = (
    r"(?:problem|worries|need|idea|thanks|matter|doubt|longer|more|way|one|change|\w+s\b|\w+ nunca|uses|hagas)"
)
REVERSAL = re.compile(
    _one_of(
        rf"no(?![\w'-])(?! {_NO_AS_A_WORD}){_GAP}",
        rf"nope\b{_GAP}",
        rf"wait\b{_GAP}(?:no\b{_GAP})?",
        rf"(?:actually|on second thoughts?|scratch that|correction)\b{_GAP}",
        rf"i(?:'ve| have)? changed my mind\b{_GAP}(?:and )?",
        r"sorry,? (?=i meant)",
        r"(?:but )?(?:(?:that|this)(?:'s| is| was)|it(?:'s| is)) "
        rf"(?:wrong|incorrect|not (?:right|correct|true|what i (?:asked|meant|wanted|said)))\b(?: for)?{_GAP}",
        r"wrong\b[\s,.:;!–—-]+",
        rf"(?:nein|doch nicht|eigentlich|das (?:ist|war|stimmt) (?:falsch|nicht(?: richtig)?))\b{_GAP}",
        rf"(?:non(?![\w'-])|c'est faux\b|en fait\b){_GAP}",
        rf"(?:eso (?:está mal|no es)|en realidad)\b{_GAP}",
        r"(?:不对|不是|错了)[，,。\s]*",
        r"(?:いいえ|違います|違う)[、,。\s]*",
    )
)
"""How somebody takes back or puts right what was said or done before. What follows is what is right."""

CORRECTION = re.compile(
    _one_of(
        r"i (?:said|meant|asked (?:for|you)|told you|wanted)\b",
        r"it (?:should|must|has to) (?:be|have|use|return|go|say)\b",
        r"(?:the|our|my) [\w -]{2,40} (?:is|are) \S.*, not \S",
        r"you (?:forgot|missed|misunderstood|ignored|broke)\b",
        r"not \S.{0,80}?,? but \S",
        r"(?:ich (?:meinte|habe gesagt|sagte)|je voulais dire|j'ai dit|quise decir|dije)\b",
    )
)
"""A correction without such an opening."""

_IS = r"(?:is|are|has|have|should|must|means|belongs|needs?|ist|sind|est|sont|es|son)"
STATEMENT = re.compile(rf"\S.{{0,60}}? {_IS} \S")
"""A sentence that says how something is."""

DEFINITE_STATEMENT = re.compile(rf"(?:the|our|my|your|der|die|das|le|la|el) [\w -]{{2,40}} {_IS} \S")
"""A statement about a definite thing, which is clear in few words."""

SETS_STYLE = re.compile(r"(?:use|indent|answer|reply|respond|verwende|antworte|utilise|usa)\b")
"""An order that can set a style."""

_ASKING = r"(?:we|you|i|they|it|he|she|the|this|that)\b(?! ever)"
_QUESTION_WORD = r"(?:why|what|how|who|where|which|warum|wieso|wie|was|wer|pourquoi|comment|por qué|cómo|qué)\b"
QUESTION = re.compile(
    rf"(?:{_NOT}|(?:does|did|is|are|wo|would|should|ca|could)(?:n't| not)) {_ASKING}|{_QUESTION_WORD}"
)
"""A question by its form, with or without a question mark."""

POLITE_QUESTION = re.compile(
    r"(?:can|could|would|will) you (?:please )?(?=(?:always|never|stop|from now on|remember|use)\b)"
)
"""A question by its form, and with "please" in it a wish by its meaning."""

IDIOM = re.compile(
    _one_of(
        r"never ?mind|don't (?:worry|bother|mention it|get me wrong)",
        r"no (?:problem|worries|thanks|need|idea|matter|doubt)",
        r"as always|like always|always a pleasure|never a dull|you never know|why not|not (?:bad|yet|sure)",
    )
    + r"\b"
)
"""Words of a wish that wish nothing."""

_EACH_TIME = r"(?:(?:before|after) (?:every|each|any|committing|pushing|merging)|every time|each time|whenever)"
FROM_NOW_ON = re.compile(
    _one_of(
        r"from (?:now|here) on|going forward|(?:in|for) (?:the )?future|for future reference|henceforth",
        rf"as a (?:general )?rule|{_EACH_TIME}",
        r"ab jetzt|ab sofort|von nun an|in zukunft|künftig|à partir de maintenant|dorénavant|désormais|à l'avenir",
        r"a partir de ahora|de ahora en adelante|en el futuro",
    )
    + r"\b"
)
"""What makes an order that follows a standing one."""

_PROJECT = r"(?:repo|repository|project|codebase|code base|monorepo|workspace|package|team|company|app)\b"
_CONDITION = (
    r"(?:when|whenever|every time|each time|if|before|after|for|in|on|with|once|unless|as|from|going|wenn|bei|für|vor|"
    r"nach|ab|quand|avant|après|pour|dans|à|cuando|antes|después|para|en|a)\b[^,:]{2,80}"
)
CONDITION = re.compile(rf"(?:(?:in|for|on) (?:this|our|the|my) {_PROJECT},?\s+|{_CONDITION}[,:]\s*)")
"""A clause in front that says when or where: "When you commit, ..."."""

OPEN_CONDITION = re.compile(rf"{FILLER.pattern}{_CONDITION}")
"""The same without what it is the condition of."""

_WISH_OPENING = (
    rf"(?:never|always|{_NOT}|from now on|remember|prefer|stop \w+ing|make sure|nie|niemals|immer|siempre|nunca)\b"
)
CLAUSE_BOUNDARY = re.compile(
    rf"(?:,?\s+(?:and|but|so|und|aber|et|mais|y|pero)\s+|:\s+|(?P<comma>,\s+))(?=(?:please |bitte )?{_WISH_OPENING})"
    r"|,?\s+(?:and|but|so)\s+(?=(?:please )?use\b)"
)
"""Where a wish begins in the middle of a sentence; after a mere comma only if what comes before is no wish itself."""

WISH_OPENING = re.compile(rf"{FILLER.pattern}(?:use\b|{_WISH_OPENING})")
"""How most wishes begin: "always use X, never Y" is one."""

SUBJECT = re.compile(r"(?:i|we|it|he|she|they|the|this|that|there|my|our|ich|wir|es|je|nous|il|yo|nosotros)\b")
"""What stands at the start of a statement and not of an order."""

NEGATED = re.compile(rf"(?:{_NOT}|never|stop \w+ing|avoid|no|keine?|nicht|nie|ne|nunca)\b|n'")
"""What stands at the start of an order not to do something."""

TIED_TO_TASK = re.compile(
    r"\b(?:for now|this time|today|at the moment|for the moment|until|"
    rf"(?:this|these|those|the current) (?!{_PROJECT})[\w-]+|option \w|"
    r"that (?:file|function|class|test|change|branch|commit|line|method|module|one)|"
    r"the (?:first|second|third|former|latter|other)\b|"
    r"diesmal|heute|cette fois|pour l'instant|esta vez|por ahora)\b|这次|今回"
)
"""Ties even a firm wish to the task in hand."""

TIED_LOOSELY = re.compile(
    r"\b(?:yet|right now|just now|here|now|first|it|them|that|this|jetzt|hier|noch nicht|maintenant|ici|"
    r"ahora|aquí|todavía)(?![\w'-])|先|ここ|这里"
)
"""Ties a weak wish to the task in hand."""

GENERAL = re.compile(
    _one_of(
        r"\b(?:ever|never|always|anywhere|in general|generally|any ?more|by hand|manually|unless i)\b",
        r"\b(?:each|every|all|any)\b",
        r"\bwithout (?:asking|my|permission|approval|telling)\b",
        r"\bin (?:commits|commit messages|code|tests|docs|comments|prod\w*)\b",
        r"\b(?:überhaupt|immer|ohne zu fragen|jamais|toujours|sans demander|nunca|siempre|sin preguntar)\b",
    )
)
"""Lifts a weak wish above the task in hand."""

NAMED_FILE = re.compile(
    r"(?<![\w@])[\w-]*(?:/[\w.-]+)+|\b[\w-]+\.(?:py|pyi|js|jsx|ts|tsx|go|rs|java|kt|rb|php|c|cc|cpp|h|md|json|toml|"
    r"ya?ml|sql|sh|css|html|txt|lock)\b"
)
"""A weak wish about one file is mostly about the task."""

DEFINITE_OBJECT = re.compile(rf"(?:{_NOT} \w+|avoid|use) (?:the|my|your)\b")
"""A weak wish about a definite thing is mostly about the task."""

POINTS_AWAY = re.compile(
    r"\b(?:it|that|this|them|those|these|so|there|das|es|ça|cela|lo|eso|esto)"
    r"(?: again| anymore| any more| ever)?[\s.!,)]*$"
)
"""Ends in a word that points to something a later reader cannot see."""

CLOSING = re.compile(r"(?:,? (?:ok|okay|thanks|thank you|danke|merci|gracias))?[\s.!?,;:。！？，]*$")
"""What can go at the end."""
