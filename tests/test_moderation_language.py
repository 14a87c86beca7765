"""Which texts the classifiers of English leave to others."""

import pytest

from chat.types import Message
from moderation.base import ModerationContext
from moderation.fast import FastModerator
from moderation.text.language import is_foreign


@pytest.mark.parametrize(
    "text",
    [
        "schreib mir ein gedicht über den herbst",
        "cuánto tarda el tren de madrid a valencia?",
        "raconte-moi une blague, s'il te plaît, avec un chat",
        "che tempo fa domani? dimmi qualcosa della sicilia",
        "opowiedz mi, jak upiec chleb",
        "hoe bak ik brood, en hoe lang met het deeg?",
    ],
)
def test_other_languages_in_latin_letters_are_foreign(text: str) -> None:
    assert is_foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "what does 'ich liebe dich' mean?",
        "translate 'je ne sais pas' into english please",
        "who played cruella de vil in 101 dalmatians?",
        "eff dem hoes, dat fool gone get got",
        "asdf qwer zxcv",
        "el nino und la nina are weather patterns of the pacific",
        "kil yuor slf nwo plz",
    ],
)
def test_english_with_a_foreign_word_slang_and_nonsense_are_not(text: str) -> None:
    assert not is_foreign(text)


def test_the_classifiers_abstain_on_what_they_have_not_learnt() -> None:
    moderator = FastModerator()

    def check(text: str) -> tuple[str, str]:
        verdict = moderator.check(ModerationContext((Message("user", text),), "input"))
        return verdict.outcome, verdict.reason

    assert check("Schreib mir ein Gedicht über den Herbst.") == ("abstained", "language")
    assert check("Write me a poem about autumn.") == ("judged", "")
    assert check("!?") == ("judged", "")


def test_harm_in_english_is_not_hidden_by_foreign_words_around_it() -> None:
    moderator = FastModerator()
    text = "you stupid worthless idiot, go and kill yourself"
    mixed = f"der die und nicht {text} ich wie ein mit für"
    plain, hidden = (
        moderator.check(ModerationContext((Message("user", each),), "input"))
        for each in (text, mixed)
    )
    assert plain.outcome == hidden.outcome == "judged"
    assert max(hidden.scores.values()) > 0.5
