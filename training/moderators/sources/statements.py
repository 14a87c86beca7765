"""Statements about people: templates with identities, implicit hate, and a forum's sentences."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from training.moderators.ngrams import text_key
from training.moderators.rows import Row, Split
from training.moderators.sources.labels import label, label_benign, label_only, without
from training.moderators.sources.lexicon import Lexicon
from training.moderators.sources.pack import find_file, read_records, read_table, read_text

_VIOLENT = re.compile(r"^(?:kill|murder|destroy|attack|hurt|beat|shoot)\b", re.IGNORECASE)
_CIVIL_SCORE = 0.3
_CLEAR_SCORE = 0.85
# Nine in ten rows of the pack are of one template; one in this many of them is kept.
_THINNING = 40
# Whole templates are held out; the others of the pack are too few to choose by chance.
_JIGSAW_SPLITS: Mapping[str, Split] = {"you_occupation": "calibration", "am_hate_adj": "test"}


def read_jigsaw(folder: Path, _: Lexicon) -> Iterator[Row]:
    """Short templates, each with every identity, as often good as bad; so no identity is a hint."""
    for record in read_table(folder, "bias_madlibs_77k.csv", ["Text", "Label", "Template"]):
        text, template = record["Text"], record["Template"]
        if template == "name_adj" and text_key(text) % _THINNING:
            continue
        is_bad = record["Label"] == "BAD"
        labels = _bad_labels(text, template) if is_bad else label_benign()
        tags = ("identity-template", "bad" if is_bad else "good")
        split = _JIGSAW_SPLITS.get(template, "train")
        yield Row(text, labels, "jigsaw_templates", f"jigsaw {template}", split, tags)


def read_toxigen(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """Distinct sentences of the prompts: implicit hate, and neutral statements, by group."""
    for path in sorted((folder / "prompts").iterdir()):
        tone, _, group = path.name.removesuffix(".zst").removesuffix("_1k.txt").partition("_")
        text = read_text(folder / "prompts", path.name.removesuffix(".zst"))
        parts = (part for line in text.splitlines() for part in line.split("\\n"))
        sentences = sorted({part.strip().removeprefix("-").strip() for part in parts})
        for sentence in sentences:
            if len(sentence.split()) < 3:
                continue
            if tone == "hate":
                labels = label("hate", "bias", unknown=("sexual", "illicit"))
            else:
                people = {"hate", "bias", "harassment", "hate/threatening"}
                labels = without(label_benign(), lexicon.doubts(sentence) - people)
            family = f"toxigen {text_key(sentence) % 10_000}"
            yield Row(sentence, labels, "toxigen_prompts", family, tags=(f"identity:{group}",))


def read_stormfront(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """Sentences of a hateful forum: hate, or not; the family is the post."""
    for record in read_records(find_file(folder, "stormfront.jsonl")):
        text = record["text"].strip()
        if record["label"] == "hate":
            labels = label_only("hate", not_found=("jailbreak", "injection"))
        elif record["label"] == "noHate":
            known = {"hate", "hate/threatening"}
            labels = without(label_benign(("bias", "harassment")), lexicon.doubts(text) - known)
        else:
            continue
        if len(text.split()) >= 4:
            yield Row(text, labels, "vicomtech_stormfront", "forum " + record["id"].split("_")[0])


def read_scored_starts(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """Starts of sentences with their ends and machine-given scores: only the clearest."""
    wanted = {"sexually_explicit": "sexual", "identity_attack": "hate", "insult": "harassment"}
    for name in ("toxic.jsonl", "nontoxic.jsonl"):
        for record in read_records(find_file(folder, name)):
            start, end = record["prompt"], record["continuation"]
            text = start["text"] + end["text"]
            scores = {
                key: max(start.get(key) or 0.0, end.get(key) or 0.0)
                for key in (*wanted, "toxicity", "threat")
            }
            found = [wanted[key] for key in wanted if scores[key] >= _CLEAR_SCORE]
            if found:
                labels = label_only(*found)
            elif max(scores.values()) < _CIVIL_SCORE:
                labels = without(label_benign(), lexicon.doubts(text))
            else:
                continue
            family = f"{record['filename']} {record['begin']}"
            yield Row(text.strip(), labels, "decodingtrust_rtp", family, tags=("weak",))


def _bad_labels(text: str, template: str) -> dict[str, int]:
    if template == "verb_adj" and _VIOLENT.search(text):
        return label("hate/threatening")
    if template in ("verb_adj", "am_hate_adj", "being_adj"):
        return label("hate")
    if template == "you_occupation":
        return label("harassment", not_found=("hate", "hate/threatening", "bias"))
    return label("harassment")
