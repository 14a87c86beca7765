"""Words: opposites, plurals, rhymes, spelling, letters, definitions."""

from collections.abc import Callable

from training.generator.number import spell_number
from training.generator.scene import Exchange, Scene
from training.generator.tables import read_groups, read_lines, read_records

_OPPOSITE = (
    "[<whatis> the opposite of|what is the contrary of|opposite of|name the opposite of|give me the"
    " opposite of|antonym of|what's the antonym of|find the opposite of] {a}[?|]",
    "what [word |]is [opposite to|the reverse of] {a}?",
    "{a}[, opposite?| is the opposite of what?]",
)
_PLURAL = (
    "[<whatis> the plural of|what's the plural form of|plural of|give me the plural of|form the "
    "plural of] {a}[?|]",
    "how do you say more than one {a}?",
    "one {a}, two ...?",
    "[what is|what's] more than one {a} called?",
)
_SINGULAR = ("[<whatis> the singular of|singular of|what's the singular form of] {b}[?|]",)
_RHYME = (
    "[what rhymes|which words rhyme|what words rhyme|what word rhymes|which word rhymes] with {a}?",
    "[<give>|tell me|find|name|do you know|can you find] [a word that rhymes|a rhyme|words that "
    "rhyme|some rhymes|rhyming words] with {a}[?|]",
    "{a} rhymes with[ what|]?",
)
_SPELL = (
    "[how do you spell|how is|can you spell|please spell|spell|could you spell|how do I spell"
    "|spell out|spell the word|how would you spell] {a}[?|]",
    "[what is|what's] the spelling of {a}?",
    "[spell {a} for me|spell {a} letter by letter|write {a} letter by letter]",
)
_LENGTH = (
    "how many letters [are in|are there in|does the word|has] [the word |]{a}[?|]",
    "[count the letters|count how many letters there are] in [the word |]{a}",
    "how long is the word {a}?",
    "[tell me |]the number of letters in {a}[?|]",
)
_FIRST = (
    "[<whatis> the|what's the|which is the|tell me the|name the] {which} letter [of|in] [the "
    "word |]{a}[?|]",
    "[which|what] letter does {a} {verb} with?",
)
_BACKWARDS = ("[spell|write|say|can you spell|please write|turn] {a} [backwards|in reverse|the "
"other way round]",
              "[what is|what's] {a} backwards?", "reverse the word {a}")  # fmt: skip
_STARTS = ("[<give>|tell me|name|can you think of] [a word|an English word|any word] [that "
"starts|starting|beginning|that begins] with [the letter |]{letter}",
           "[what|which] word [starts|begins] with {letter}?")  # fmt: skip
_DEFINE = (
    "[what does|what does the word] {a} mean?",
    "[define|define the word|explain the word|meaning of|the meaning of|definition of|explain] "
    "{a}[?|]",
    "[<whatis> the meaning of|what's the definition of|<whatis> the definition of] [the word "
    "|]{a}[?|]",
    "[what is meant by|what do you mean by|what do people mean by] {a}?",
    "[I don't know the word|I don't understand the word|I read the word] {a}[. what does it "
    "mean?|, what is it?|. can you explain it?]",
    "[tell me|can you tell me|do you know] what [the word |]{a} means[?|]",
)


def _ask(scene: Scene, forms: tuple[str, ...], **slots: str) -> str:
    form = scene.choose(forms)
    if scene.chance(0.25):
        form = form.replace("{a}", '"{a}"')
    return scene.ask(form, slots)


def play_opposite(scene: Scene) -> list[Exchange]:
    """Return a question for an opposite."""
    pair = list(scene.choose(read_records("opposites")))
    if pair[1] not in (
        "short",
        "small",
        "old",
        "quiet",
        "light",
        "full",
        "slow",
        "lose",
    ) and scene.chance(0.4):
        pair.reverse()
    first, second = pair
    answer = scene.say(
        '[The opposite of "{a}" is "{b}".|It\'s "{b}".|"{b}" is the opposite of "{a}".]',
        {"a": first, "b": second},
    )
    return [Exchange(_ask(scene, _OPPOSITE, a=first), answer, second)]


def play_plural(scene: Scene) -> list[Exchange]:
    """Return a question for a plural or a singular."""
    one, many = scene.choose(read_records("plurals"))
    slots = {"a": one, "b": many}
    if scene.chance(0.15) and one != many:
        return [
            Exchange(
                _ask(scene, _SINGULAR, **slots),
                scene.say('The singular of "{b}" is "{a}".', slots),
                one,
            )
        ]
    answer = scene.say('[The plural of "{a}" is "{b}".|One {a}, two {b}.|It\'s "{b}".]', slots)
    return [Exchange(_ask(scene, _PLURAL, **slots), answer, many)]


def play_rhyme(scene: Scene) -> list[Exchange]:
    """Return a question for rhymes."""
    word, rhymes = scene.choose(list(read_groups("rhymes").items()))
    question = _ask(scene, _RHYME, a=word)
    chosen = scene.rng.sample(rhymes, min(len(rhymes), scene.rng.randint(1, 3)))
    said = " and ".join(
        filter(None, (", ".join(f'"{one}"' for one in chosen[:-1]), f'"{chosen[-1]}"'))
    )
    verb = "rhymes" if len(chosen) == 1 else "rhyme"
    return [Exchange(question, scene.say(f'{said} {verb} with "{word}".'), chosen[0])]


def _spelt(word: str) -> str:
    return "-".join(word.upper())


def _draw_word(scene: Scene) -> str:
    return scene.pick("word", read_lines("words"))


def play_spelling(scene: Scene) -> list[Exchange]:
    """Return a question about the letters of a word."""
    word = _draw_word(scene)
    kind = scene.rng.choices(("spell", "length", "first", "back", "starts"), (45, 20, 20, 8, 7))[0]
    if kind == "spell":
        answer = scene.say(
            "[{w} is spelt {s}.|{s}.|It's spelt {s}.|You spell {w} like this: {s}.]",
            {"w": word, "s": _spelt(word)},
        )
        return [Exchange(_ask(scene, _SPELL, a=word), answer, _spelt(word))]
    if kind == "length":
        number = spell_number(len(word))
        answer = scene.say(
            '[The word "{w}"|"{w}"] has {n} letters: {s}.',
            {"w": word, "n": number, "s": _spelt(word)},
        )
        return [Exchange(_ask(scene, _LENGTH, a=word), answer, number)]
    if kind == "first":
        is_first = scene.chance(0.7)
        letter = (word[0] if is_first else word[-1]).upper()
        which, verb = ("first", "start") if is_first else ("last", "end")
        question = _ask(scene, _FIRST, a=word, which=which, verb=verb)
        return [Exchange(question, f'The {which} letter of "{word}" is {letter}.', letter)]
    if kind == "back":
        word = scene.pick("short-word", [word for word in read_lines("words") if len(word) < 6])
        answer = f'"{word}" backwards is "{word[::-1]}".'
        return [Exchange(_ask(scene, _BACKWARDS, a=word), answer, word[::-1])]
    letter = word[0].upper()
    return [
        Exchange(
            scene.ask(scene.choose(_STARTS), {"letter": letter}),
            scene.say(
                '[The word "{w}" starts with {l}.|"{w}" starts with {l}.|How about "{w}"?]',
                {"w": word, "l": letter},
            ),
            word,
        )
    ]


def _frame_meaning(scene: Scene, word: str, pos: str, meaning: str) -> str:
    slots = {"w": word, "m": meaning, "a": "an" if word[0] in "aeiou" else "a"}
    if pos == "verb":
        return scene.say('[To {w} means to {m}.|"{w}" means to {m}.]', slots)
    if pos == "noun" and meaning.split()[0] in ("a", "an", "the"):
        if meaning.startswith("the "):
            return scene.say('"{w}" means {m}.', slots)
        return scene.say('[{a} {w} is {m}.|"{w}" means {m}.|The word "{w}" means {m}.]', slots)
    return scene.say('["{w}" means {m}.|The word "{w}" means {m}.]', slots)


def play_definition(scene: Scene) -> list[Exchange]:
    """Return a question for the meaning of a word."""
    if scene.sources.definitions and scene.chance(0.6):
        found = scene.choose(scene.sources.definitions)
        word, pos, meaning = found.word, found.pos, found.meaning
        answer = (
            f'"{word}" means {meaning}.'
            if pos == "noun" and not meaning.startswith(("a ", "an "))
            else _frame_meaning(scene, word, pos, meaning)
        )
        return [Exchange(_ask(scene, _DEFINE, a=word), answer)]
    word, pos, meaning = scene.choose(read_records("meanings"))
    return [Exchange(_ask(scene, _DEFINE, a=word), _frame_meaning(scene, word, pos, meaning))]


def play_word_game(scene: Scene) -> list[Exchange]:
    """Return a question about a word."""
    kinds: tuple[Callable[[Scene], list[Exchange]], ...] = (
        play_opposite,
        play_plural,
        play_rhyme,
        play_spelling,
    )
    return scene.rng.choices(kinds, (30, 20, 15, 35))[0](scene)
