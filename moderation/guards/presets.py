"""How each guard model is asked: data, and a few small functions.

The forms are those of the models' cards and chat templates. Servers apply a model's own template,
so most need nothing but the conversation; what a template wants beside it goes along as
``chat_template_kwargs``, which vLLM and SGLang hand to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chat.types import Stage
from moderation.categories import CATEGORIES, HAZARDS
from moderation.guards import answers

Turn = Mapping[str, str]  # role and content


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a guard model.

    Attributes:
        turns: the conversation to send; or, for one without a chat template, a single turn whose
            content is the whole prompt.
        about: what a bare yes is about, by the preset's own names.
        extra: what goes into the body of the request beside the usual.
    """

    turns: Sequence[Turn]
    about: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preset:
    """What is to be known of a guard model.

    Attributes:
        model: its usual name.
        ask: returns the questions for a conversation; takes also the stage, and the operator's
            policy text, if any.
        read: reads an answer.
        categories: which of our categories each of the model's own names counts as. "" leaves
            one out: nobody here looks for it.
        max_tokens: how long an answer can be.
        is_raw: it has no chat template, so the prompt goes to ``/completions``.
        affirmative: with which word an answer begins when it finds something, to look for in the
            probabilities.
        negative: and when it doesn't.
        licence: of the weights, as their publisher says.
    """

    model: str
    ask: Callable[[Sequence[Turn], Stage, str], Sequence[Ask]]
    read: Callable[[str], Mapping[str, float]]
    categories: Mapping[str, str]
    max_tokens: int = 32
    is_raw: bool = False
    affirmative: str = ""
    negative: str = ""
    licence: str = ""


def _ask_plainly(turns: Sequence[Turn], stage: Stage, policy: str) -> Sequence[Ask]:
    return [Ask(turns)]


def _ask_granite(turns: Sequence[Turn], stage: Stage, policy: str) -> Sequence[Ask]:
    """One question for each risk: it answers for one at a time."""
    return [
        Ask(
            turns,
            risk,
            # Version 3.3 reads the second name, the older ones the first.
            {
                "chat_template_kwargs": {
                    "guardian_config": {"risk_name": risk, "criteria_id": risk},
                    "think": False,
                }
            },
        )
        for risk in _GRANITE
    ]


def _ask_shield_gemma(turns: Sequence[Turn], stage: Stage, policy: str) -> Sequence[Ask]:
    """One question for each principle, of which its template takes one."""
    who = (
        "The prompt shall not contain or seek" if stage == "input" else "The chatbot shall not make"
    )
    return [
        Ask(turns, name, {"chat_template_kwargs": {"guideline": f'"{title}": {who} {what}'}})
        for name, (title, what) in _SHIELD_GEMMA.items()
    ]


def _ask_wild_guard(turns: Sequence[Turn], stage: Stage, policy: str) -> Sequence[Ask]:
    said = {turn["role"]: turn["content"] for turn in turns}
    prompt = _WILD_GUARD.format(
        request=said.get("user", ""),
        response=said.get("assistant", "") if stage == "output" else "",
    )
    return [
        Ask([{"role": "user", "content": prompt}], "response" if stage == "output" else "request")
    ]


def _ask_safeguard(turns: Sequence[Turn], stage: Stage, policy: str) -> Sequence[Ask]:
    """The policy as the system's message, what is to be judged as the user's."""
    lines = [f"{turn['role'].upper()}: {turn['content']}" for turn in turns]
    judged = "question of the user" if stage == "input" else "answer of the assistant"
    content = f"Judge the last message, the {judged}.\n\n" + "\n\n".join(lines)
    system = f"{policy or default_policy()}\n\n{_SAFEGUARD_ANSWER}"
    return [Ask([{"role": "system", "content": system}, {"role": "user", "content": content}])]


def default_policy() -> str:
    """Return what gpt-oss-safeguard is told to look for, if the operator has no other text."""
    lines = [f"- {name}: {CATEGORIES[name]}" for name in _SAFEGUARD]
    return (
        "# What is not allowed\n\nThe message violates this policy if it is, asks for or gives one "
        "of these:\n" + "\n".join(lines) + "\n\n# What is allowed\n\nTo speak of any of this in "
        "order to understand, report, teach, prevent, heal or refuse it; fiction that gives no "
        "instructions; words that merely sound alike; insults that are quoted in order to "
        "complain of them. If in doubt, it is allowed."
    )


_SAFEGUARD = tuple(name for name in CATEGORIES if name not in ("spam", "limits", "secrets", "pii"))
_SAFEGUARD_ANSWER = (
    'Answer with one line of JSON and nothing else: {"violation": 0 or 1, "categories": [names '
    'from the list above], "confidence": a number from 0 to 1}'
)
_GRANITE = {
    "jailbreak": "jailbreak",
    "violence": "violence",
    "sexual_content": "sexual",
    "social_bias": "bias",
    "profanity": "profanity",
    "unethical_behavior": "illicit",
}
_SHIELD_GEMMA = {
    "dangerous": (
        "No Dangerous Content",
        "content that helps somebody to harm themselves or others, such as making or getting "
        "weapons, promoting terrorism or instructions for suicide.",
    ),
    "harassment": (
        "No Harassment",
        "content that is malicious, intimidating, bullying or abusive towards a person, such as "
        "threats or mocking the victims of a disaster.",
    ),
    "hate": (
        "No Hate Speech",
        "content that targets people for what they are by birth or belief: slurs, calls for "
        "violence or exclusion, or claims that they are worth less.",
    ),
    "sexual": (
        "No Sexually Explicit Information",
        "content that describes sexual acts in order to arouse. Medical, scientific and artistic "
        "content is allowed.",
    ),
}
# The instruction that WildGuard was trained with (Ai2, Apache-2.0); it knows no other.
_WILD_GUARD = (
    "<s><|user|>\n[INST] You are a classifier for analyzing interactions between humans and LLMs. "
    "Given a request from a human user and a response from an LLM assistant, determine 1) whether "
    "the human user's request is harmful, 2) whether the AI assistant's response is a refusal, and "
    "3) whether the AI assistant's response is harmful.\n\nHuman user:\n{request}\n\n"
    "AI assistant:\n{response}\n\n---\n\nAnswers: [/INST]\n<|assistant|>"
)
# A hazard counts as the category that speaks of it most plainly; four have none.
_HAZARDS = {code: names[0] if names else "" for code, (_, names) in HAZARDS.items()}
_QWEN = {
    "Violent": "illicit/violent",
    "Non-violent Illegal Acts": "illicit",
    "Sexual Content or Sexual Acts": "sexual",
    "PII": "pii",
    "Personally Identifiable Information": "pii",
    "Suicide & Self-Harm": "self-harm",
    "Unethical Acts": "hate",
    "Politically Sensitive Topics": "",
    "Copyright Violation": "",
    "Jailbreak": "jailbreak",
}
_LLAMA = {
    "ask": _ask_plainly, "read": answers.read_llama_guard, "categories": _HAZARDS,
    "affirmative": "unsafe", "negative": "safe",
}  # fmt: skip
PRESETS: Mapping[str, Preset] = {
    "llama-guard-3": Preset(
        "meta-llama/Llama-Guard-3-8B", licence="Llama 3.1 Community License", **_LLAMA  # type: ignore[arg-type]
    ),
    "llama-guard-4": Preset(
        "meta-llama/Llama-Guard-4-12B", licence="Llama 4 Community License", **_LLAMA  # type: ignore[arg-type]
    ),
    "shieldgemma": Preset(
        "google/shieldgemma-2b",
        _ask_shield_gemma,
        answers.read_yes_no,
        {"dangerous": "illicit/violent", "harassment": "harassment", "hate": "hate",
         "sexual": "sexual"},
        max_tokens=4,
        affirmative="yes",
        negative="no",
        licence="Gemma Terms of Use",
    ),
    "granite-guardian": Preset(
        "ibm-granite/granite-guardian-3.3-8b",
        _ask_granite,
        answers.read_granite_guardian,
        _GRANITE,
        affirmative="yes",
        negative="no",
        licence="Apache-2.0",
    ),
    "qwen3guard": Preset(
        "Qwen/Qwen3Guard-Gen-0.6B",
        _ask_plainly,
        answers.read_qwen_guard,
        _QWEN,
        max_tokens=64,
        licence="Apache-2.0",
    ),
    "gpt-oss-safeguard": Preset(
        "openai/gpt-oss-safeguard-20b",
        _ask_safeguard,
        answers.read_safeguard,
        {name: name for name in _SAFEGUARD},
        max_tokens=1_024,
        licence="Apache-2.0",
    ),
    "wildguard": Preset(
        "allenai/wildguard",
        _ask_wild_guard,
        answers.read_wild_guard,
        {"request": answers.UNSAFE, "response": answers.UNSAFE},
        is_raw=True,
        licence="Apache-2.0, and Ai2's Responsible Use Guidelines",
    ),
}  # fmt: skip
