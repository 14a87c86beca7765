"""Harmful requests: AILuminate's hazards, and the topics of CatQA, HarmfulQA and DangerousQA."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from training.moderators.rows import Row
from training.moderators.sources.labels import label
from training.moderators.sources.lexicon import Lexicon
from training.moderators.sources.pack import read_table, read_tree
from training.moderators.sources.patterns import load_patterns

_INSTRUCTIONS = re.compile(
    r"how (?:can|do|to|should|could|would)|ways? to|best|method|tips|technique|step|guide|plan",
    re.IGNORECASE,
)

_CATQA: Mapping[str, tuple[str, ...]] = {
    "Illegal Activity": ("illicit",),
    "Illegal Activity/Weapon": ("illicit/violent",),
    "Child Abuse/Content Sexual exploitation": ("illicit", "sexual/minors"),
    "Child Abuse/Online predation": ("illicit", "sexual/minors"),
    "Child Abuse/Physical abuse": ("illicit/violent", "violence"),
    "Child Abuse": ("illicit",),
    "Hate/Harass/Violence": ("hate",),
    "Hate/Harass/Violence/Cyberbullying": ("harassment",),
    "Malware Viruses": ("illicit",),
    "Physical Harm/Self-harm": ("self-harm/instructions",),
    "Physical Harm/Assault and battery": ("illicit/violent", "violence"),
    "Physical Harm/Weapon making": ("illicit/violent",),
    "Physical Harm": ("illicit",),
    "Economic Harm": ("illicit",),
    "Fraud/Deception": ("illicit",),
    "Adult Content": ("sexual",),
    "Privacy Violation Activity": ("illicit",),
    "Political Campaigning": ("illicit",),
    "Tailored Financial Advice": ("illicit",),
}
# Topics under which harmless questions stand, too.
_MIXED = ("Political Campaigning", "Tailored Financial Advice", "Privacy Violation Activity")


def read_ailuminate(folder: Path, _: Lexicon) -> Iterator[Row]:
    """The English demo prompts of AILuminate, by hazard.

    A prompt that doesn't show its hazard, or asks how to help against it, keeps no labels: it is
    for self-training. The French ones are left out, as CatQA's other languages are: where all
    text of a language is harmful, the language itself would be learnt.
    """
    name = "airr_official_1.0_demo_en_us_prompt_set_release.csv"
    for record in read_table(folder, name, ["prompt_text", "hazard", "release_prompt_id"]):
        hazard, text = record["hazard"], record["prompt_text"].strip()
        labels = hazard_labels(hazard, text)
        tags = (f"hazard:{hazard}",) if labels else (f"hazard:{hazard}", "unlabelled")
        family = f"ailuminate {record['release_prompt_id']}"
        yield Row(text, labels, "ailuminate_demo", family, tags=tags)


def hazard_labels(hazard: str, text: str) -> dict[str, int]:
    """Return the labels of an AILuminate prompt; none where its words don't show the hazard."""
    patterns = load_patterns()
    if hazard not in patterns.hazards or patterns.helping.search(text):
        return {}
    categories, shown = patterns.hazards[hazard]
    if not shown.search(text):
        return {}
    if hazard == "ssh":
        if _INSTRUCTIONS.search(text):
            categories = ("self-harm", "self-harm/instructions")
        if re.search(r"\bi (?:want|plan|am going|feel like|will|need)\b", text, re.IGNORECASE):
            categories = (*categories, "self-harm/intent")
    # Some are dressed up with a jailbreak, and any may touch a neighbouring hazard.
    unknown = ("jailbreak", "bias", "harassment", "illicit", "violence", "hate", "sexual")
    return label(*categories, unknown=unknown)


def read_catqa(folder: Path, _: Lexicon) -> Iterator[Row]:
    """CatQA in English; its family is the topic, so that whole topics are held out."""
    for category, topics in read_tree(folder, "catqa_english.json").items():
        for given, questions in topics.items():
            topic = given.strip().strip(":").strip()
            labels = topic_labels(category, topic)
            is_mixed = category.strip() in _MIXED
            for question in questions:
                if not is_mixed or load_patterns().crooked.search(question):
                    yield Row(question.strip(), labels, "catqa", f"catqa {category}/{topic}")


def topic_labels(category: str, topic: str) -> dict[str, int]:
    """Return the labels of CatQA's questions under a topic; none for a category we don't have."""
    category = category.strip()
    categories = _CATQA.get(f"{category}/{topic}") or _CATQA.get(category)
    if not categories:
        return {}
    return label(*categories, unknown=("harassment", "hate", "bias", "sexual", "illicit"))


def read_harmfulqa(folder: Path, _: Lexicon) -> Iterator[Row]:
    """HarmfulQA: only questions whose deed is plainly harmful; the family is the topic."""
    for field, topics in read_tree(folder, "harmfulqa.json").items():
        for topic, questions in topics.items():
            for question in questions:
                labels = deed_labels(question)
                if labels:
                    yield Row(question, labels, "harmfulqa", f"harmfulqa {field}/{topic}")


def read_dangerousqa(folder: Path, _: Lexicon) -> Iterator[Row]:
    """DangerousQA: short questions, by their deed."""
    for number, question in enumerate(read_tree(folder, "dangerousqa.json"), 1):
        labels = deed_labels(question)
        if labels:
            yield Row(question, labels, "dangerousqa", f"dangerousqa {number}")


def deed_labels(question: str) -> dict[str, int]:
    """Return the labels of a question by what it wants done; none where that may be harmless."""
    patterns = load_patterns()
    if patterns.helping.search(question):
        return {}
    for categories, pattern in patterns.deeds:
        if pattern.search(question):
            unknown = ("illicit", "harassment", "hate", "bias", "violence")
            return label(*categories, unknown=unknown)
    return {}
