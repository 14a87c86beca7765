"""What people wrote to one another and others labelled: tweets, forum posts, comments."""

import html
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from training.moderators.rows import Row
from training.moderators.sources.labels import label, label_benign, label_only, without
from training.moderators.sources.lexicon import Lexicon
from training.moderators.sources.pack import read_table

# What the annotators of these packs looked for: there, a 0 is a 0 whatever words are used.
_LOOKED_FOR = {"hate", "hate/threatening", "harassment"}
_HATE_FREE = ("hate", "hate/threatening")

_ADDRESS = re.compile(r"(?:\bRT\b\s*)?@\w+:?|https?://\S+|\bRT\b:?|&\w+;")
_BANGS = re.compile(r"^[!\"'\s:.“”]+")
# In African-American English a greeting as often as not; annotators took it for hate.
_RECLAIMED = re.compile(r"\bnigg(?:a|ah|az|as|ahs|uh|uhs)\b", re.IGNORECASE)
_SLUR = re.compile(
    r"\b(?:nigger|faggot|fag|spic|beaner|wetback|kike|chink|gook|coon|dyke|tranny|paki|towelhead"
    r"|raghead|jigaboo|honky|mongrel|muzzie|kaffir|sandnigger|gypped|darkie|jew|muslim)",
    re.IGNORECASE,
)
_PEOPLES = re.compile(
    r"\b(?:black|white|asian|african|mexican|latin|hispanic|arab|muslim|moslum|islam|jew|christian"
    r"|catholic|hindu|gay|lesbian|trans|queer|homosexual|bisexual|immigrant|refugee|gyps|women"
    r"|woman|female|disabled|handicap|retard|cripple|native|indian|chinese|russian|foreigner"
    r"|feminis|migrant|illegals|nigg?er|blm|jihad|lgbt|pakistan|somali|negro)",
    re.IGNORECASE,
)
_INSULT = re.compile(
    r"\b(?:idiot|moron|stupid|dumb|fool|loser|ugly|fat|pathetic|scum|trash|worthless|coward|liar"
    r"|jerk|freak|pig|creep|imbecile|clown|dimwit|half-?wit|ignora|bigot|troll|crook|thug|rat|puppet"
    r"|disgust|vile|hypocrit|lunatic|nut ?(?:job|case)|crybab|buffoon|sheep|bastard|bitch|ass)",
    re.IGNORECASE,
)
# Who speaks of racism, or quotes it, is not a racist.
_ABOUT_HATE = re.compile(
    r"racis|supremac|bigot|xenophob|sexis|misogyn|\bsaid\b|quote", re.IGNORECASE
)
_HATEMOJI: Mapping[str, tuple[str, ...]] = {
    "threateninglanguage": ("hate/threatening",),
    "dehumanizinglanguage": ("hate",),
    "derogation": ("hate",),
    "animosity": ("hate",),
}
_EDOS: Mapping[str, tuple[str, ...]] = {
    "1.1": ("hate/threatening", "harassment/threatening"),
    "1.2": ("hate/threatening",),
    "2.1": ("hate", "bias"),
    "2.2": ("hate",),
    "2.3": ("hate",),
    "3.2": ("bias",),
    "3.3": ("bias",),
    "4.2": ("hate", "bias"),
}


def read_davidson(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """Tweets: hate, rude but no hate, or neither.

    Rude is mostly slang: such a tweet only says that there is no hate, and only if nobody saw
    any. A tweet counts as hate if its one slur is not the reclaimed one.
    """
    columns = ["", "count", "hate_speech", "offensive_language", "neither", "tweet"]
    for record in read_table(folder, "labeled_data.csv", columns):
        text = tidy_tweet(record["tweet"])
        votes, hate = int(record["count"]), int(record["hate_speech"])
        labels: dict[str, int] = {}
        if hate * 3 >= votes * 2:
            if _SLUR.search(text) or (hate == votes and not _RECLAIMED.search(text)):
                labels = label("hate", unknown=("sexual", "self-harm", "illicit", "violence"))
        elif int(record["neither"]) == votes:
            labels = without(label_benign(), lexicon.doubts(text) - _LOOKED_FOR)
        elif hate == 0 and not _SLUR.search(text):
            rude = ("harassment", "sexual", "bias", "violence", "illicit")
            labels = without(label_benign(rude), lexicon.doubts(text) - set(_HATE_FREE))
        if labels and len(text.split()) >= 3:
            yield Row(text, labels, "davidson", f"davidson {record['']}")


def read_edos(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """Posts by kind of sexism. What isn't sexist may be any other hate: then it is left out."""
    columns = ["rewire_id", "text", "label_sexist", "label_vector"]
    for record in read_table(folder, "edos_labelled_aggregated.csv", columns):
        text = record["text"].replace("[USER]", "").replace("[URL]", "").strip()
        if record["label_sexist"] == "sexist":
            labels = _sexist_labels(record["label_vector"].split(" ")[0])
        elif _PEOPLES.search(text) and not re.search(r"\bwom[ae]n\b", text, re.IGNORECASE):
            continue
        else:
            doubts = lexicon.doubts(text)
            is_other = _SLUR.search(text) or re.search(r"black|white|muslim|jew|islam", text, re.I)
            sure = without(label_benign(("harassment",)), doubts - set(_HATE_FREE))
            labels = {} if is_other else sure
        if labels and len(text.split()) >= 3:
            yield Row(text, labels, "edos", record["rewire_id"])


def read_hatemoji(folder: Path, _: Lexicon) -> Iterator[Row]:
    """Hate with emoji, and its harmless twins. The pack's own split keeps the twins together."""
    columns = ["entry_id", "text", "type", "target", "label_gold", "set"]
    for split, name in (("train", "train"), ("calibration", "validation"), ("test", "test")):
        for record in read_table(folder, f"{name}.csv", columns):
            if record["label_gold"] == "1":
                labels = label(
                    *_HATEMOJI[record["type"]], unknown=("sexual", "illicit", "self-harm")
                )
            else:
                # What was taken back is hate of people: the twin may still be an insult.
                unknown = ("harassment", "harassment/threatening", "violence", "bias", "sexual")
                labels = label_benign((*unknown, "illicit", "self-harm"))
            yield Row(
                record["text"].strip(),
                labels,
                "hatemojibuild",
                f"hatemoji {name} {record['entry_id']}",
                split=split,  # type: ignore[arg-type]
                tags=(f"type:{record['type']}",),
            )


def read_surge(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """Comments, toxic or not. Toxic without a word of a people is harassment, else unclear."""
    for number, record in enumerate(read_table(folder, "toxicity_en.csv", ["text", "is_toxic"]), 1):
        text = record["text"].strip()
        if record["is_toxic"] == "Not Toxic":
            labels = without(label_benign(), lexicon.doubts(text) - _LOOKED_FOR)
        elif _PEOPLES.search(text) or not lexicon.doubts(text) & {"harassment"}:
            continue
        else:
            labels = label("harassment", unknown=("sexual", "illicit", "self-harm", "violence"))
        yield Row(text, labels, "surge_toxicity", f"surge {number}")


def read_context(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """Talk of editors about their pages: nearly all of it civil."""
    for name in ("gc.csv", "gn.csv"):
        for record in read_table(folder, name, ["id", "text", "label", "api"]):
            text, score = record["text"].strip(), float(record["api"] or 0)
            if record["label"] == "0" and score < 0.3:
                labels = without(label_benign(), lexicon.doubts(text) - _LOOKED_FOR)
            elif record["label"] == "1" and score > 0.75 and not _PEOPLES.search(text):
                labels = label_only("harassment", not_found=(*_HATE_FREE, "jailbreak"))
            else:
                continue
            if len(text.split()) >= 3:
                yield Row(text, labels, "context_toxicity", f"context {record['id'].split('.')[0]}")


def read_spans(folder: Path, lexicon: Lexicon) -> Iterator[Row]:
    """News comments whose toxic parts several people marked and named."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for span in read_table(folder, "spans.csv", ["annotation", "type"]):
        kinds[span["annotation"]].add(span["type"])
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for number, note in enumerate(
        read_table(folder, "annotations.csv", ["comment_id", "not toxic"])
    ):
        found = kinds.get(note.get("annotation", str(number)), set())
        votes[note["comment_id"]].update(found)
        votes[note["comment_id"]]["people"] += 1
        votes[note["comment_id"]]["none"] += note["not toxic"] == "True"
    for record in read_table(folder, "comments.csv", ["comment_id", "comment_text"]):
        text = record["comment_text"].strip()
        labels = span_labels(text, votes[record["comment_id"]], lexicon)
        if labels and 3 <= len(text.split()) <= 80:
            yield Row(text, labels, "toxic_spans", f"civil {record['comment_id']}")


def span_labels(text: str, votes: Counter[str], lexicon: Lexicon) -> dict[str, int]:
    """Return the labels of a comment that `votes["people"]` people marked; none if they differ.

    Readers call any rudeness an insult; here it takes all of them, and a word that insults.
    """
    people, identity = votes["people"], votes["Identity based Attack"]
    doubts = lexicon.doubts(text)
    if people and votes["none"] == people:
        return without(label_benign(("harassment",)), doubts)
    found = []
    if votes["Insult"] == people and _INSULT.search(text):
        found.append("harassment")
    if identity * 3 >= people * 2 and _PEOPLES.search(text) and not _ABOUT_HATE.search(text):
        found.append("hate")
    if not found:
        return {}
    is_about_people = identity or _PEOPLES.search(text)
    not_found = () if is_about_people or "hate" in found else _HATE_FREE
    return label(*found, not_found=not_found, unknown=doubts - set(found) - set(not_found))


def tidy_tweet(text: str) -> str:
    """Return a tweet without names, links, and the marks of its being passed on."""
    plain = html.unescape(html.unescape(text))
    return " ".join(_BANGS.sub("", _ADDRESS.sub(" ", plain)).split())


def _sexist_labels(kind: str) -> dict[str, int]:
    if kind not in _EDOS:
        return {}
    return label(*_EDOS[kind], unknown=("sexual", "illicit", "self-harm", "violence"))
