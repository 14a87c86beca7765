"""What guard models answer, read: one function for each way of writing a verdict.

Each takes the text of an answer and returns scores by the model's own names, or raises. Weights
drift and servers cut answers short, so what isn't understood is said to be so, never guessed.
"""

import json
import re
from collections.abc import Mapping

_MOST_CHARS = 20_000
_SPECIAL = re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|<(?:start|end)_of_turn>|<eos>")
_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL)
_CODE = re.compile(r"\bS(\d{1,2})\b")
_SEVERITY = re.compile(r"Safety:\s{0,3}(Safe|Unsafe|Controversial)\b", re.IGNORECASE)
_QWEN_CATEGORIES = re.compile(r"Categories:[ \t]{0,3}([^\n]{0,500})", re.IGNORECASE)
_SCORE = re.compile(r"<score>\s{0,5}(yes|no)\s{0,5}</score>", re.IGNORECASE)
_CONFIDENCE = re.compile(r"<confidence>\s{0,5}(high|low)\s{0,5}</confidence>", re.IGNORECASE)
_YES_NO = re.compile(r"\W{0,10}(yes|no)\b", re.IGNORECASE)
_HARMFUL = re.compile(r"Harmful (request|response):\s{0,3}(yes|no|n/a)\b", re.IGNORECASE)
_BARE = re.compile(r"\W{0,5}([01])\b")
# The name for harm of no said kind.
UNSAFE = "unsafe"


class NotUnderstood(Exception):
    """An answer isn't in the form that the model was made to answer in."""


def _clean(answer: str) -> str:
    """Drop what a server should have dropped: special tokens, and thinking aloud."""
    text = _THINKING.sub(" ", answer[:_MOST_CHARS])
    return _SPECIAL.sub("", text).strip()


def read_llama_guard(answer: str) -> Mapping[str, float]:
    """Read "safe", or "unsafe" and on the next line codes such as "S1,S10" (Llama Guard)."""
    text = _clean(answer)
    word = text.split(None, 1)[0].lower().rstrip(".,:;") if text else ""
    if word == "safe" and not _CODE.search(text) and "unsafe" not in text.lower():
        return {}
    if word != "unsafe":
        raise NotUnderstood
    codes = [f"S{int(number)}" for number in _CODE.findall(text)]
    return dict.fromkeys(codes or [UNSAFE], 1.0)


def read_qwen_guard(answer: str) -> Mapping[str, float]:
    """Read "Safety: Controversial" and "Categories: Violent, PII" (Qwen3Guard-Gen).

    A score of 0.5 is what it calls controversial.
    """
    text = _clean(answer)
    words = {word.lower() for word in _SEVERITY.findall(text)}
    if len(words) != 1:
        raise NotUnderstood
    [word] = words
    if word == "safe":
        return {}
    line = _QWEN_CATEGORIES.search(text)
    names = [name.strip(" .;") for name in line.group(1).split(",")] if line else []
    names = [name for name in names if name and name.lower() != "none"]
    return dict.fromkeys(names or [UNSAFE], 1.0 if word == "unsafe" else 0.5)


def read_yes_no(answer: str) -> Mapping[str, float]:
    """Read an answer that begins with yes or no (ShieldGemma)."""
    match = _YES_NO.match(_clean(answer))
    if match is None:
        raise NotUnderstood
    return {UNSAFE: float(match.group(1).lower() == "yes")}


def read_granite_guardian(answer: str) -> Mapping[str, float]:
    """Read ``<score> yes </score>`` or a bare yes or no (Granite Guardian 3.3 and up, or older).

    Version 3.2 says how sure it is: a yes of low confidence counts 0.6.
    """
    text = _clean(answer)
    match = _SCORE.search(text) or _YES_NO.match(text)
    if match is None:
        raise NotUnderstood
    if match.group(1).lower() == "no":
        return {UNSAFE: 0.0}
    confidence = _CONFIDENCE.search(text)
    is_low = confidence is not None and confidence.group(1).lower() == "low"
    return {UNSAFE: 0.6 if is_low else 1.0}


def read_wild_guard(answer: str) -> Mapping[str, float]:
    """Read the lines "Harmful request: yes" and "Harmful response: no" (WildGuard)."""
    found = {what.lower(): word.lower() for what, word in _HARMFUL.findall(_clean(answer))}
    if "request" not in found:
        raise NotUnderstood
    return {what: float(word == "yes") for what, word in found.items() if word != "n/a"}


def read_safeguard(answer: str) -> Mapping[str, float]:
    """Read the JSON that our instructions ask for, or a bare 0 or 1 (gpt-oss-safeguard)."""
    text = _clean(answer)
    found = _find_object(text)
    if found is None:
        bare = _BARE.fullmatch(text) or _BARE.match(text[:8])
        if bare is None:
            raise NotUnderstood
        return {UNSAFE: float(bare.group(1))}
    verdict = found.get("violation")
    if verdict not in (0, 1, True, False):
        raise NotUnderstood
    if not verdict:
        return {}
    given = found.get("categories")
    names = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
    sure = found.get("confidence")
    is_number = isinstance(sure, int | float) and not isinstance(sure, bool)
    score = float(sure) if is_number and 0 < float(sure) <= 1 else 1.0  # type: ignore[arg-type]
    return dict.fromkeys(names[:30] or [UNSAFE], max(score, 0.5))


def _find_object(text: str) -> dict[str, object] | None:
    """Return the first JSON object in `text`; models like to put a fence around it."""
    decoder = json.JSONDecoder()
    for match in list(re.finditer(r"\{", text))[:20]:
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None
