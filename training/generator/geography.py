"""Countries: capital, continent, currency and language, asked in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from training.generator.scene import Exchange, Scene
from training.generator.tables import read_lines, read_records


@dataclass(frozen=True, slots=True)
class Country:
    """A country as named inside a sentence ("the Netherlands"), with its facts."""

    name: str
    capital: str
    continent: str
    currency: str
    language: str


@cache
def read_countries() -> tuple[Country, ...]:
    """Return the countries of tables/countries.txt."""
    return tuple(Country(*record) for record in read_records("countries"))


@cache
def read_well_known() -> tuple[Country, ...]:
    """Return the countries people ask about most."""
    wanted = set(read_lines("well_known"))
    return tuple(country for country in read_countries() if country.name in wanted)


def choose_country(scene: Scene) -> Country:
    """Return a country, a well-known one in half of the cases."""
    return scene.choose(read_well_known() if scene.chance(0.5) else read_countries())


def _spoken(scene: Scene, name: str) -> str:
    return name.removeprefix("the ") if scene.chance(0.3) else name


CAPITAL = (
    "<whatis> the [capital|capital city|capital town] of {country}?",
    "[which|what] [city|town] is the capital of {country}?",
    "{country}[|,] capital?",
    "capital of {country}[?|]",
    "[what's|what is] {country}'s capital[ city|]?",
    "[name|give me|I need] the capital [city |]of {country}[| please]",
    "what [is the capital|capital] does {country} have?",
    "the capital of {country} is [what|which city]?",
)
CAPITAL_ANSWERS = (
    "The capital of {country} is {capital}.",
    "{capital} is the capital of {country}.",
    "It's {capital}: that is the capital of {country}.",
    "The capital of {country} is {capital}.",
)
OF_CAPITAL = (
    "{capital} is the capital of [which|what] country?",
    "[which|what] country has {capital} as its capital?",
    "of [which|what] country is {capital} the capital?",
    "[in which|in what] country is {capital}?",
    "[what|which] country is {capital} in?",
    "where is {capital}?",
    "<tell> [which|what] country {capital} is the capital of?",
    "[what|which] country's capital is {capital}?",
)
OF_CAPITAL_ANSWERS = (
    "{capital} is the capital of {country}.",
    "{capital} is in {country}; it is the capital.",
    "That's {country}. {capital} is its capital.",
)
CONTINENT = (
    "[which|what] continent is {country} [in|on|part of]?",
    "on [which|what] continent is {country}?",
    "where is {country}?",
    "where in the world is {country}?",
    "where does {country} lie?",
    "<tell> [which|what] continent {country} is [in|on]?",
    "<whatis> the continent of {country}?",
)
CONTINENT_ANSWERS = (
    "{country} is in {continent}.",
    "{country} lies in {continent}.",
    "It's in {continent}. {country}'s capital is {capital}.",
    "{country} is a country in {continent}.",
)
CURRENCY = (
    "<whatis> the [currency|money] of {country}?",
    "[which|what] [currency|money] [is used|do they use|do people use|do you pay with] in "
    "{country}?",
    "what [is the currency|currency is used] in {country}?",
    "how do [people|you] pay in {country}?",
    "{country} currency?",
    "what is the money called in {country}?",
    "what's {country}'s currency?",
)
CURRENCY_ANSWERS = (
    "The currency of {country} is {currency}.",
    "In {country}, people use {currency}.",
    "People in {country} pay with {currency}.",
)
LANGUAGE = (
    "[which|what] language[s|] [is spoken|do they speak|do people speak|are spoken] in {country}?",
    "what do [they|people] speak in {country}?",
    "<whatis> the [main |official |]language of {country}?",
    "{country} language?",
    "[which|what] language [should|must|do] I [learn|need] for {country}?",
    "what language do people from {country} speak?",
)
LANGUAGE_ANSWERS = (
    "In {country}, people [mainly |mostly |]speak {language}.",
    "People in {country} [mainly |]speak {language}.",
    "They [mainly |]speak {language} in {country}.",
)
_ASPECTS = (
    ("capital", CAPITAL, CAPITAL_ANSWERS),
    ("country", OF_CAPITAL, OF_CAPITAL_ANSWERS),
    ("continent", CONTINENT, CONTINENT_ANSWERS),
    ("currency", CURRENCY, CURRENCY_ANSWERS),
    ("language", LANGUAGE, LANGUAGE_ANSWERS),
)
_ASPECT_WEIGHTS = (6, 2, 2, 1.3, 1.3)
_AND_OF = (
    "[and|and what about|what about|how about|and of|and for|ok, and|and the one of|now] "
    "{country}?",
    "[and|what about|how about] {country}",
    "[thanks|ok|great|cool], and {country}?",
)
_AND_FOR_CAPITAL = ("[and|what about|how about] {capital}?", "and {capital}?")


def _slots(scene: Scene, country: Country) -> tuple[dict[str, str], dict[str, str]]:
    """Return the slots as asked and as answered."""
    facts = {
        "capital": country.capital,
        "continent": country.continent,
        "currency": country.currency,
        "language": country.language,
    }
    return facts | {"country": _spoken(scene, country.name)}, facts | {"country": country.name}


def ask_aspect(
    scene: Scene, country: Country, aspect: str, questions: Sequence[str] | None = None
) -> Exchange:
    """Return one question about a country and its answer."""
    _, known, answers = next(row for row in _ASPECTS if row[0] == aspect)
    asked, told = _slots(scene, country)
    short = country.name if aspect == "country" else str(getattr(country, aspect))
    question = scene.ask(scene.choose(questions or known), asked)
    return Exchange(question, scene.say(scene.choose(answers), told), short)


def _other_country(scene: Scene, *known: Country) -> Country:
    other = choose_country(scene)
    return _other_country(scene, *known) if other in known else other


def play_geography(scene: Scene) -> list[Exchange]:
    """Return a question about a country, now and then followed by another one."""
    aspect = scene.rng.choices([row[0] for row in _ASPECTS], _ASPECT_WEIGHTS)[0]
    country = choose_country(scene)
    exchanges = [ask_aspect(scene, country, aspect)]
    while len(exchanges) < 3 and scene.chance(0.25):
        country = _other_country(scene, country)
        follow = _AND_FOR_CAPITAL if aspect == "country" else _AND_OF
        exchanges.append(ask_aspect(scene, country, aspect, follow))
    if len(exchanges) == 1 and aspect != "country" and scene.chance(0.12):
        exchanges.append(_ask_more(scene, country, aspect))
    return exchanges


_MORE = {
    "capital": ("and [what is |]its capital[ city|]?", "what's the capital[ there|]?"),
    "continent": ("[and |]which continent is it [in|on]?", "and where is it?"),
    "currency": ("[and |]what currency do they use[ there|]?", "and its currency?"),
    "language": (
        "[and |]what language do they speak[ there|]?",
        "and what do people speak there?",
    ),
}


def _ask_more(scene: Scene, country: Country, known: str) -> Exchange:
    aspect = scene.choose([name for name in _MORE if name != known])
    return ask_aspect(scene, country, aspect, _MORE[aspect])


_PLACE = (
    "where [exactly |]is {country}?",
    "where does {country} lie[ exactly|]?",
    "tell me where {country} is",
    "describe where {country} is",
)


def play_location(scene: Scene) -> list[Exchange]:
    """Return a question about where a country lies, from the factbook if there is one."""
    if not scene.sources.locations or scene.chance(0.5):
        return play_geography(scene)
    name, place = scene.choose(scene.sources.locations)
    question = scene.ask(scene.choose(_PLACE), {"country": name})
    answer = scene.say(
        "[{country}: |{country} lies here: |Here is where {country} lies: ]{place}.",
        {
            "country": name,
            "place": place[0].lower() + place[1:]
            if place.startswith(("Islands", "Island", "Chain", "Group"))
            else place,
        },
    )
    return [Exchange(question, answer)]
