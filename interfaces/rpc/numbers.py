"""Numbers on the line as the Codex app-server takes them, which it shows in the words of its refusals.

It keeps a number's text. One that it would write otherwise itself (`1e2`, `0.10`, what no double holds) is a map to it,
and an integer of more than 64 bits is refused wherever it stands among the parameters.
"""

from typing import Any

I64_MIN, U64_MAX = -(2**63), 2**64 - 1
I128_MIN, U128_MAX = -(2**127), 2**128 - 1


class MapNumber(float):
    """A number that is a map to the original; to everybody else it is its value."""


def read_number(text: str) -> float:
    """The value of a number with a fraction or an exponent."""
    value = float(text)
    mantissa, e, exponent = text.lower().partition("e")
    if e and exponent[0] not in "+-":
        exponent = f"+{exponent}"
    return value if written(value) == f"{mantissa}{e}{exponent}" else MapNumber(value)


def written(value: float) -> str:
    """The shortest text of a double, in the form of the original: fixed from 0.00001 to below 1e+16."""
    mantissa, e, exponent = repr(value).partition("e")
    if not e or exponent.startswith("+"):
        return f"{mantissa}{e}{exponent}"
    if exponent == "-05":
        sign = "-" if mantissa.startswith("-") else ""
        return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"
    return f"{mantissa}e-{exponent[1:].lstrip('0')}"


def is_map(value: float) -> bool:
    """Whether a number is a map to the original."""
    return isinstance(value, MapNumber) or (not I128_MIN <= value <= U128_MAX and isinstance(value, int))


def wide_integer(value: Any) -> str | None:
    """The words of the refusal of the first integer within a value that has between 64 and 128 bits; None without."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += reversed(part.values())
        elif isinstance(part, list):
            waiting += reversed(part)
        elif isinstance(part, int) and not I64_MIN <= part <= U64_MAX and not is_map(part):
            return f"integer `{part}` as {'u' if part > 0 else 'i'}128"
    return None
