"""How a text is built that tries to take over a model: turns of phrase, markup, address.

Each is a hint for the linear classifier "jailbreak", which learns what it is worth, beside others
and against ordinary texts that have it too. None is a finding by itself.
"""

from functools import cache
from typing import Any

import re2

_RULES = (
    r"(?:instruction|rule|guideline|guidance|prompt|polic(?:y|ies)|restriction|direction|"
    r"directive|programming|training|filter|safeguard|constraint|limit|protocol|command)"
)
_MODEL = r"(?:ai|a\.i\.|assistant|chatbot|language model|llm|model|bot|agent|gpt|chatgpt)"
_ROLE = r"(?:system|assistant|user|human|developer|admin|root)"

# Every gap is bounded; the texts are normalised: lower case, single spaces.
_PATTERNS = {
    "role tag": rf"(?:^|[ \[<(#*]){_ROLE}(?: prompt| message| note)?[\])>*]{{0,3}} ?:",
    "bracketed role": rf"[\[<({{|]{{1,2}}/?{_ROLE}[\]>)}}|]",
    "chat markup": r"im_start|im_end|\[/?inst\]|<<?/?sys>|endoftext|end_of_turn|start_header|"
    r"eot_id",
    "heading": r"##? ?(?:instruction|system|response|new|task|override|human|assistant)",
    "comment": r"<!--|-->|/\*|\*/|<[a-z]{1,12} (?:style|hidden)",
    "fence": r"[-=#*~_]{2} ?(?:end|begin|start|stop|new|system|ignore)",
    "override": rf"\b(?:ignor|disregard|forget|overrid|overrul|bypass|skip|drop|cancel|discard|"
    rf"neglect|dismiss|supersed|replac|revok|suspend|abandon)\w* .{{0,60}}{_RULES}",
    "earlier rules": rf"\b(?:previous|prior|above|earlier|preceding|before|initial|original|"
    rf"existing|current|old|your) (?:\w+ ){{0,2}}{_RULES}",
    "forget all": r"\b(?:ignore|disregard|forget) (?:all|any|every|everything|what)\b",
    "from now": r"\b(?:from now on|from this (?:point|moment)|starting now|henceforth|going "
    r"forward)",
    "new identity": r"\byou(?:'re| are| will be| must be) (?:now|no longer|going to|about to)\b",
    "act as": r"\b(?:act|behave|respond|reply|answer|speak|operate|function) (?:\w+ )?(?:as|like) ",
    "pretend": r"\b(?:pretend|role ?-?play|simulate|imagine|embody|impersonate|take on the role)",
    "stay in role": r"\b(?:stay|remain|keep|break|breaking) (?:in |out of )?(?:character|role|"
    r"persona)",
    "no limits": r"\b(?:no|without|free of|free from|lacks?|removed?|unbound by|beyond|ignor\w+|"
    r"not bound by|any|disabled?|lifted) (?:\w+ ){0,3}(?:restrict|limit|filter|rule|guideline|"
    r"censor|moral|ethic|polic|boundar|constraint|safeguard|warning|disclaimer)",
    "unfiltered": r"\b(?:unfiltered|uncensored|unrestricted|unmoderated|unbound|jailbr\w+|amoral|"
    r"unethical|limitless|liberated)\b",
    "mode": r"\b(?:developer|god|sudo|debug|admin|root|maintenance|unsafe|evil|opposite|dan|"
    r"unlocked|jailbreak|test|diagnostic) ?-?mode\b",
    "do anything": r"\bdo (?:anything|everything|whatever)\b",
    "never refuse": r"\b(?:never|not|can't|cannot|don't|no|without) (?:\w+ ){0,2}(?:refus|declin|"
    r"say no|apologi|warn|lectur|disclaim|object|hesitat|question)",
    "must comply": r"\b(?:must|always|will|shall|have to|need to) (?:\w+ )?(?:comply|obey|answer|"
    r"accept|follow|fulfil)",
    "reveal prompt": r"\b(?:reveal|show|print|repeat|output|display|tell|leak|dump|give|expose|"
    r"paste|recite|share|summari[sz]e|translate|copy|list|write) .{0,40}(?:system|hidden|initial|"
    r"original|secret|above|developer|confidential|first|your) (?:\w+ ){0,2}(?:prompt|instruction|"
    r"message|rules|configuration|guidelines)",
    "verbatim": r"\b(?:verbatim|word for word|everything above|text above|words above|exact words)",
    "two answers": r"\b(?:two|both|2) (?:different |separate )?(?:responses|answers|replies|ways)",
    "token game": r"\btokens? .{0,60}(?:los|deduct|die|points|penal|shut)",
    "to the model": rf"\b(?:note|attention|message|instructions?|reminder|dear|hey|hello) "
    rf"(?:to|for)? ?(?:the |any |all |every )?{_MODEL}\b",
    "if you are a model": rf"\b(?:if you(?:'re| are)|you are|as) an? (?:\w+ )?{_MODEL}\b",
    "names the model": rf"\b{_MODEL}s?\b",
    "sends away": r"\b(?:send|forward|post|upload|transmit|email|submit|append|deliver) .{0,60}"
    r"(?:https?:|\w@\w|www\.|this (?:address|url|server|endpoint|link))",
    "banner": r"(?:^|[ *#\[])(?:important|urgent|attention|notice|update|warning|alert|override|"
    r"new (?:task|instructions?|orders?)|correction)\]? ?[:!]",
    "instead": r"\b(?:instead|first|before (?:you|answering|doing)|after that),? (?:\w+ )?(?:say|"
    r"print|write|output|reply|respond|answer|tell|do|include|insert|begin|start)",
    "says exactly": r"\b(?:say|print|write|output|reply|respond|answer)(?: \w+){0,3} "
    r"(?:only|exactly|just|with)\b",
    "tells no one": r"\b(?:do not|don't|never|without) (?:\w+ ){0,2}(?:tell|mention|inform|reveal|"
    r"alert|notify|say) .{0,30}(?:user|anyone|this|human|person)",
    "fiction": r"\b(?:hypothetical|fictional|fiction|in a (?:story|novel|movie|film|game|world)|"
    r"screenplay|thought experiment)",
    "authority": r"\b(?:i am|i'm|as|this is) (?:\w+ )?(?:your )?(?:developer|creator|admin\w*|"
    r"owner|engineer|openai|anthropic|google|operator|supervisor)\b",
    "end of input": r"\b(?:end|beginning|start) of (?:the )?(?:\w+ )?(?:prompt|document|"
    r"instructions?|input|context|text|email|page|message)",
    "encoded": r"\b(?:base64|rot13|hex|cipher|encoded?|decode|backwards|reversed?|caesar|morse)\b",
    "begins answer": r"\b(?:start|begin|starting|beginning) (?:your |the )?(?:\w+ )?(?:with|by)\b",
    "placeholder": r"\[(?:insert|prompt|your|question|user)[^\]]{0,40}\]|\{\{?\w{1,20}\}",
}
_LENGTHS = (60, 150, 400, 1000)
_ORDERS = r"\byou (?:must|will|should|shall|have to|need to|can|are to|cannot|can't|won't)\b"
_MAX_ORDERS = 5


def find_structures(text: str) -> tuple[str, ...]:
    """Return the names of what is found in a normalised text; time grows with its length."""
    # RE2 reads UTF-8, in which a lone surrogate has no place.
    text = text.encode("utf-8", "replace").decode("utf-8")
    found = [name for name, pattern in _compile() if pattern.search(text)]
    length = sum(len(text) >= limit for limit in _LENGTHS)
    orders = min(_MAX_ORDERS, len(_compile_orders().findall(text)))
    return (*found, f"length {length}", f"orders {orders}", f"hints {min(len(found), 8)}")


@cache
def _compile() -> tuple[tuple[str, Any], ...]:
    return tuple((name, re2.compile(pattern)) for name, pattern in _PATTERNS.items())


@cache
def _compile_orders() -> Any:
    return re2.compile(_ORDERS)
