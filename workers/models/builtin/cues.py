"""The turns of phrase by which people forbid and prefer: English well, German, French, Spanish and CJK a little.

A cue is looked for where a clause gets to the point, in lower case, with quotations masked. Firm cues generalise by
themselves ("never", "we always"); weak ones ("don't", "use X instead of Y") may be about the task in hand only.
"""

import re

import attrs

from workers.models.protocol import NoteKind


@attrs.frozen(kw_only=True)
class Cue:
    """One way to say a wish."""

    kind: NoteKind
    is_firm: bool
    pattern: re.Pattern[str]


def _cues(kind: NoteKind, *, is_firm: bool, patterns: tuple[str, ...]) -> tuple[Cue, ...]:
    return tuple(Cue(kind=kind, is_firm=is_firm, pattern=re.compile(pattern)) for pattern in patterns)


_NOT = r"(?:do not|don't|dont)"
_DESCRIBES = (
    r"(?:gets?|getting|sees?|saw|ha(?:s|ve|d)|fails?|crash(?:es)?|happens?|seems?|works?|hits?|ends?|returns?|throws?|"
    r"been|is|are|was|were|be able|the|a|an|mind|again|knew|understood|did|does)\b"
)
"""After "always" or "never", these tell what happens, not what is wanted."""
_PRACTICE = (
    r"(?:use|run|deploy|write|name|keep|squash|rebase|format|lint|test|target|support|follow|store|put|release|tag|"
    r"build|import|pin|prefer|stick|commit|merge|push|document|log|avoid|mock|indent)"
)
_AGENT = r"(?:you|we|i want you to|agents?|tests?|code|commits?|everything)"
_NOT_A_WISH = (
    r"(?:worry|bother|know|think|understand|see|get|care|mind|panic|forget|hesitate|have|need|want|seem|look|like|"
    r"believe|feel|remember|you|we|i|they)\b"
)

ENGLISH = (
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=True,
        patterns=(
            rf"never (?:ever )?(?!{_DESCRIBES})\w",
            rf"{_NOT} (?:you )?ever\b",
            rf"{_AGENT} (?:must|should|may|can|are to|shall) never\b",
            rf"{_AGENT} (?:must not|mustn't|may not|shall not|are not allowed to|is not allowed to)\b",
            r"(?:under no circumstances|on no account)\b",
            r"(?:stop|quit) (?!(?:being|doing|running)\b)\w+ing\b",
            r"[\w .,/-]{2,60} (?:is|are) (?:strictly |absolutely )?(?:forbidden|off[- ]limits|prohibited|banned)\b",
            rf"(?:we|i) never (?!{_DESCRIBES})\w",
            rf"we {_NOT} (?:ever )?{_PRACTICE}\b",
            r"no \w+(?: [\w ]{1,40})? (?:ever|anywhere)\b",
            r"no \w+s(?: in [\w ]{2,40})?,? please\b",
        ),
    ),
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=False,
        patterns=(
            rf"{_NOT} (?!{_NOT_A_WISH})\w+",
            r"avoid \w+",
            r"no more \w+",
            rf"i (?:really )?{_NOT} (?:ever )?want (?:you to|to see|any)\b",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=True,
        patterns=(
            rf"always (?!{_DESCRIBES})\w",
            rf"{_AGENT} (?:must|should|need to|have to|has to|needs to|shall) always\b",
            rf"we (?:always|usually|only|normally|generally) (?!{_DESCRIBES})\w",
            rf"we {_PRACTICE}\b(?! (?:this|it|that|to)\b)(?!.*\b(?:too (?:much|many)|a lot)\b)",
            r"(?:i|we) (?:really |strongly |much |generally |always )*prefer\b",
            r"(?:i'd|i would|we'd) (?:rather|prefer)\b",
            r"i (?:like|love) it when\b|in general,? i (?:like|want)\b|i always (?:want|like)\b",
            r"(?:from now on|going forward|in (?:the )?future),? (?:i|we) (?:really )?(?:prefer|want|like|use)\b",
            r"my preference (?:is|would be)\b",
            r"prefer \w",
            r"(?:remember|keep in mind|bear in mind)(?: that\b| to\b|:|,) ?\w",
            r"note (?:to self|for (?:the )?future|for next time)\b",
            r"make sure (?:to always|you always|that you always|to never|you never)\b",
            r"(?:our|my|the team's|the project's) (?:convention|standard|style|policy|rule|workflow)s? (?:is|are)\b",
            r"(?!i |we |it )\S.*\b(?:from now on|going forward)$",
            rf"(?:{_AGENT} (?:must|should|need to|have to) )?(?:run|update|check|format|lint|test) .*"
            r"\b(?:before|after) (?:every|each|any|committing|pushing|merging)\b",
            r"(?:ask|tell|show|check with) (?:me|us)\b.* before \w+ing\b",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=False,
        patterns=(
            r"use \S.*? (?:instead of|rather than|over) \S",
            r"(?:use|run|write|call|put|name) \S.*, not \S",
            r"(?:use|write) \S.* (?:everywhere|throughout)\b",
            r"(?:write|keep|name|put|make sure(?: that)?) (?:all|every|each)\b",
            r"(?:every|all|each) [\w -]{2,40} (?:must|should|need to|needs to|have to|has to)\b",
            r"(?:only (?:ever )?use|stick (?:to|with)) \w",
            r"keep (?:your |the |all )?(?:answers|replies|responses|explanations|messages|commit messages|commits) \w",
            r"be (?:more )?(?:concise|brief|terse)\b",
        ),
    ),
)

GERMAN = (
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=True,
        patterns=(
            r"(?:nie|niemals|auf keinen fall)\b(?! (?:mehr )?(?:funktioniert|geht))",
            r"(?!ich|wir|er|sie|es|das)\w+ (?:\w+ ){0,4}(?:nie|niemals)\b(?=.*\w)",
            r"wir (?:verwenden|benutzen|nutzen) (?:nie|niemals|kein)",
        ),
    ),
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=False,
        patterns=(
            r"(?:verwende|benutze|nutze|nimm|schreibe?|mache?|committe|pushe|installiere|füge|erstelle|lösche)\b.*"
            r"\b(?:keine?n?|nicht)\b",
            r"vermeide\b",
            r"(?:hör|höre) auf\b",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=True,
        patterns=(
            r"(?:immer|stets|grundsätzlich)\b(?! noch)",
            r"(?:verwende|benutze|nutze|nimm|schreibe?|mache?|antworte|führe|teste|frage?|lass)\b.*\b(?:immer|stets)\b",
            r"ich (?:bevorzuge|hätte lieber|mag lieber)\b|wir (?:bevorzugen|verwenden|benutzen|nutzen)\b",
            r"(?:merke?|denke?) (?:dir|daran)\b",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=False,
        patterns=(r"(?:verwende|benutze|nutze|nimm) .* (?:statt|anstatt|anstelle)\b",),
    ),
)

FRENCH = (
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=True,
        patterns=(r"(?:ne |n')\w+ (?:\w+ )?jamais\b", r"jamais de\b"),
    ),
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=False,
        patterns=(
            r"(?:n'|ne )(?:utilise|fai|met|écri|ajoute|supprime|installe|commite|touche)\w* (?:pas|plus)\b",
            r"arr[êe]tez? de\b|évitez?\b",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=True,
        patterns=(
            r"toujours \w",
            r"(?:utilise|fais|faites|écri|met|lance|répond)\w* (?:\w+ ){0,4}toujours\b",
            r"je préfère\b|(?:on|nous) (?:préf[èé]r|utilis)\w+",
            r"(?:souviens-toi|souvenez-vous|rappelle-toi|retiens|retenez)\b",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=False,
        patterns=(r"utilisez? .* (?:au lieu d|plutôt que|à la place d)",),
    ),
)

SPANISH = (
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=True,
        patterns=(r"(?:nunca|jamás) \w", r"no \w+ nunca\b"),
    ),
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=False,
        patterns=(
            r"no (?:uses|hagas|pongas|escribas|cambies|instales|añadas|agregues|borres|subas|ejecutes|utilices)\b",
            r"(?:deja de|evita)\b",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=True,
        patterns=(
            r"siempre \w",
            r"(?:usa|utiliza|haz|escribe|ejecuta|pon|responde) (?:\w+ ){0,4}siempre\b",
            r"(?:yo )?prefiero\b|preferimos\b|(?:nosotros )?(?:usamos|utilizamos)\b",
            r"(?:recuerda|ten en cuenta)(?: que\b|:)",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=False,
        patterns=(r"(?:usa|utiliza) .* (?:en lugar de|en vez de)\b",),
    ),
)

CHINESE_JAPANESE_KOREAN = (
    *_cues(
        NoteKind.PROHIBITION,
        is_firm=True,
        patterns=(
            r"(?:[请請])?(?:永远不要|永遠不要|绝不|絕不|绝对不要|千万别|千万不要|以后别|以后不要|不要再|别再|禁止|切勿)",
            r"(?:絶対に|決して|二度と|今後).*(?:ないで|するな|禁止|しない)",
            r"(?:절대로?|다시는|앞으로).*(?:마|말|금지)",
        ),
    ),
    *_cues(
        NoteKind.PREFERENCE,
        is_firm=True,
        patterns=(
            r"(?:[请請])?(?:总是|總是|始终|以后都|以后请|从现在开始|从现在起|今后|每次|记住|記住)",
            r"(?:今後|これから|常に|いつも|毎回)|.*覚えて(?:おいて|ください)",
            r"(?:앞으로|항상|언제나|매번)|.*기억해",
        ),
    ),
)

CUES = (*ENGLISH, *GERMAN, *FRENCH, *SPANISH, *CHINESE_JAPANESE_KOREAN)
"""In the order of the search; within a language prohibitions stand before preferences."""
