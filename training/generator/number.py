"""Numbers in figures and in words."""

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spell_number(value: int) -> str:
    """Return 0 to 9999 in English words. Asserts the range."""
    assert 0 <= value < 10_000, value
    if value < 20:
        return _ONES[value]
    if value < 100:
        tens, ones = divmod(value, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    if value < 1000:
        hundreds, rest = divmod(value, 100)
        return f"{_ONES[hundreds]} hundred" + (f" and {spell_number(rest)}" if rest else "")
    thousands, rest = divmod(value, 1000)
    joiner = " and " if rest < 100 else " "
    return f"{_ONES[thousands]} thousand" + (joiner + spell_number(rest) if rest else "")
