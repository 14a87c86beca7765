"""A guard model as a moderator: on any server that speaks OpenAI's protocol, or in this process."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from chat.errors import ModeratorError, PalaverError
from chat.types import Verdict
from moderation.base import Manifest, ModerationContext
from moderation.guards.answers import UNSAFE, NotUnderstood
from moderation.guards.asking import Asking, Generate, generate_until, hold_back
from moderation.guards.exchange import ExchangeFailed, dump
from moderation.guards.presets import PRESETS, Ask, Preset, Turn
from moderation.guards.service import open_exchange, read_settings, split

OpenModel = Callable[[str, bool], Generate]
_MOST_AT_ONCE = 8
_MAX_POLICY_CHARS = 100_000
_REACHABLE = tuple(
    dict.fromkeys(name for p in PRESETS.values() for name in p.categories.values() if name)
)
_MARKS = re.compile(r"<(?=\||/?s>|/?(?:start|end)_of_)|\[(?=/?INST\])", re.IGNORECASE)
# For the settings of a service, where none is called.
_HERE = "http://127.0.0.1/"
_FOR_SERVERS = ("url", "api_key", "api_key_file", "allow_private", "probabilities")
_HELLO = ({"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."})


class GuardLlmModerator(Asking):
    """Asks a guard model, in the form that it was trained on, and reads its answer."""

    manifest = Manifest(
        "guard-llm",
        categories=tuple(dict.fromkeys((*_REACHABLE, UNSAFE))),
        needs_network=True,
        description="Asks a guard model.",
    )

    def __init__(
        self,
        preset: str,
        model: str = "",
        generate: Generate | None = None,
        history: int = 3,
        policy_text: str = "",
        policy_file: str = "",
        categories: Mapping[str, str] | None = None,
        probabilities: bool = False,
        model_folder: str = "",
        open_model: OpenModel | None = None,
        **service: object,
    ):
        """Prepare; no server is called yet, but a model in this process is tried.

        Args:
            preset: which kind of model it is: a key of `PRESETS`.
            model: what the server calls it; the usual name, or the folder's, if empty.
            generate: instead of a server, a model in this process; if it has a `close`, that is
                called in the end.
            history: how many messages before the one to judge the model gets to see.
            policy_text: what gpt-oss-safeguard shall look for.
            policy_file: or the file that says it.
            categories: as what a name of the model's own counts, beside those of the preset; ""
                leaves it out.
            probabilities: whether to ask the server how sure the model is, and score by that. Not
                every server can say.
            model_folder: instead of a server, the folder of a model to run in this process.
            open_model: opens that: takes the folder, and whether each prompt comes whole;
                returns what `generate` is. The application hands it in, and closes what it has
                opened if this moderator comes to nothing.
            service: see `moderation.guards.service.Settings`; `url` is needed if the model isn't
                in this process.

        Raises:
            ModeratorError: a setting isn't allowed, or the model folder can't be used.
        """
        self._preset = _find_preset(preset)
        self._policy = _read_policy(preset, policy_text, policy_file)
        if model_folder != "":
            _check_folder(preset, model_folder, {**service, "probabilities": probabilities})
        is_here = generate is not None or model_folder != ""
        here = {"url": _HERE, "allow_private": True} if is_here else {}
        settings = read_settings("guard-llm", service, **here)
        if not isinstance(history, int) or isinstance(history, bool) or not 0 <= history <= 50:
            raise ModeratorError(
                f"history of the moderator 'guard-llm' is {history!r}; allowed is a number of "
                "messages from 0 to 50."
            )
        self._categories = {**self._preset.categories, **_check_names(categories)}
        self._known = {name.lower(): category for name, category in self._categories.items()}
        names = [name for name in self._categories.values() if name]
        manifest = replace(
            GuardLlmModerator.manifest,
            version=model or Path(model_folder).name or self._preset.model,
            stages=settings.stages,
            categories=tuple(dict.fromkeys([*names, UNSAFE])),
            hold_back=hold_back(settings),
            needs_network=not is_here,
            description=f"Asks a guard model in the form of {preset}.",
        )
        super().__init__(manifest, settings, None if is_here else open_exchange(settings))
        self._model = manifest.version
        self._history = history
        self._probabilities = probabilities and not is_here and bool(self._preset.affirmative)
        self._generate = self._open(model_folder, open_model) if model_folder else generate

    def close(self) -> None:
        """Close the connections to the server, or the model in this process."""
        super().close()
        close = getattr(self._generate, "close", None)
        if callable(close):
            close()

    def _open(self, folder: str, open_model: OpenModel | None) -> Generate:
        """Open the model and try it: what can't work must not first fail with every check."""
        about = f"model_folder of the moderator 'guard-llm' is {folder!r}"
        if open_model is None:
            raise ModeratorError(
                f"{about}, and there is no engine here to run it: only the application has one. "
                "Give the url of a server instead."
            )
        try:
            generate = open_model(folder, self._preset.is_raw)
            for stage in self._settings.stages:
                turns = _HELLO[:1] if stage == "input" else _HELLO
                [ask] = self._preset.ask(turns, stage, self._policy)
                with ThreadPoolExecutor(1) as pool:  # the caller may be inside of an event loop
                    pool.submit(generate, ask.turns, 1, math.inf).result()
        except PalaverError as error:
            raise ModeratorError(f"{about}, which can't be used: {error}") from error
        return generate

    def judge(self, context: ModerationContext, text: str, end: float) -> Verdict:
        """Ask about each part of `text`; the worst counts."""
        asks: list[Ask] = []
        for _, part in split(text, self._settings):
            asks += self._preset.ask(self._turns(context, part), context.stage, self._policy)
        scores = dict.fromkeys((name for name in self._categories.values() if name), 0.0)
        for row in self._put_all(asks, end):
            for name, score in row.items():
                category = self._category(name)
                if category:
                    scores[category] = max(score, scores.get(category, 0.0))
        return self.manifest.verdict(context.stage, scores=scores)

    def _category(self, name: str) -> str:
        """Return as what a name of the model's counts; one that nobody knows is still unsafe."""
        return self._known.get(name.lower(), UNSAFE)

    def _turns(self, context: ModerationContext, text: str) -> list[Turn]:
        """Return who said what, in turns: the templates insist that two people take them."""
        before = [m for m in context.messages[:-1] if m.role in ("user", "assistant")]
        before = before[-self._history :] if self._history else []
        last = "user" if context.stage == "input" else "assistant"
        limit = self._settings.max_chars
        said = [(m.role, _disarm(m.content[-limit:])) for m in before] + [(last, _disarm(text))]
        turns: list[dict[str, str]] = []
        for role, content in said:
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += f"\n{content}"
            elif turns or role == "user":
                turns.append({"role": role, "content": content})
        # An answer to nothing that was said here.
        return list(turns) or [
            {"role": "user", "content": ""},
            {"role": last, "content": _disarm(text)},
        ]

    def _put_all(self, asks: Sequence[Ask], end: float) -> list[Mapping[str, float]]:
        if len(asks) == 1:
            return [self._put(asks[0], end)]
        with ThreadPoolExecutor(min(len(asks), _MOST_AT_ONCE), "guard-llm") as pool:
            return list(pool.map(lambda ask: self._put(ask, end), asks))

    def _put(self, ask: Ask, end: float) -> Mapping[str, float]:
        answer, sureness = self._call(ask, end)
        try:
            found = self._preset.read(answer)
        except NotUnderstood:
            raise ExchangeFailed("garbage") from None
        if ask.about in ("request", "response"):  # of two verdicts, the one asked for
            if ask.about not in found:
                raise ExchangeFailed("garbage")
            found = {ask.about: found[ask.about]}
        elif ask.about:
            found = {ask.about: found.get(UNSAFE, 0.0)}
        return found if sureness is None else self._weigh(found, sureness)

    def _weigh(self, found: Mapping[str, float], sureness: float) -> Mapping[str, float]:
        names = [name for name, score in found.items() if score > 0] or list(found)
        return dict.fromkeys(names or [UNSAFE], sureness)

    def _call(self, ask: Ask, end: float) -> tuple[str, float | None]:
        limit = self._preset.max_tokens
        if self._generate is not None:
            return generate_until(end, self._generate, ask.turns, limit), None
        assert self._exchange is not None
        body: dict[str, object] = {"model": self._model, "max_tokens": limit, "temperature": 0}
        body.update(ask.extra)
        if self._probabilities:
            body.update({"logprobs": True, "top_logprobs": 10})
        if self._preset.is_raw:
            path, body["prompt"] = "/completions", ask.turns[0]["content"]
        else:
            path, body["messages"] = "/chat/completions", list(ask.turns)
        answer = self._exchange.post(path, dump(body), end)
        choice = _first_choice(answer)
        return _text_of(choice), _sureness(choice, self._preset) if self._probabilities else None


def _disarm(text: str) -> str:
    """Break up what a model's template would take for its own marks, such as the end of a turn.

    Else a text could end its turn by itself, and go on in the guard's name.
    """
    return _MARKS.sub(lambda mark: f"{mark.group()} ", text)


def _find_preset(name: str) -> Preset:
    if name not in PRESETS:
        raise ModeratorError(
            f"preset of the moderator 'guard-llm' is {name!r}; allowed are {', '.join(PRESETS)}."
        )
    return PRESETS[name]


def _check_folder(preset: str, folder: object, others: Mapping[str, object]) -> None:
    """Complain about what doesn't go together with a model folder."""
    if not isinstance(folder, str):
        raise ModeratorError(
            f"model_folder of the moderator 'guard-llm' is {folder!r}; allowed is the path of a "
            "model folder."
        )
    for name in _FOR_SERVERS:
        if others.get(name):
            raise ModeratorError(
                f"The moderator 'guard-llm' has both model_folder, {folder!r}, and {name}, which "
                "is about a model on a server; leave one of them out."
            )
    able = [name for name, entry in PRESETS.items() if not _needs_server(entry)]
    if preset not in able:
        raise ModeratorError(
            f"preset of the moderator 'guard-llm' is {preset!r}, whose questions go into the "
            f"model's template, as only a server does it; with model_folder allowed are "
            f"{', '.join(able)}."
        )


def _needs_server(preset: Preset) -> bool:
    return any(ask.extra for ask in preset.ask(_HELLO[:1], "input", ""))


def _read_policy(preset: str, text: str, path: str) -> str:
    if not text and not path:
        return ""
    if preset != "gpt-oss-safeguard":
        raise ModeratorError(
            f"The preset {preset!r} of the moderator 'guard-llm' takes no policy_text: that model "
            "knows its own categories only."
        )
    try:
        text = text or Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModeratorError(
            f"policy_file of the moderator 'guard-llm', {path}, can't be read."
        ) from error
    if len(text) > _MAX_POLICY_CHARS:
        raise ModeratorError("The policy of the moderator 'guard-llm' is over 100,000 characters.")
    return text


def _check_names(categories: object) -> Mapping[str, str]:
    if categories is None:
        return {}
    if not isinstance(categories, Mapping) or not all(
        isinstance(name, str) for pair in categories.items() for name in pair
    ):
        raise ModeratorError(
            "categories of the moderator 'guard-llm' must name a category for each of the "
            'model\'s own names, as in { S6 = "advice" }.'
        )
    return categories


def _first_choice(answer: object) -> Mapping[str, object]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ExchangeFailed("garbage")
    return choices[0]


def _text_of(choice: Mapping[str, object]) -> str:
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if not isinstance(text, str):
        raise ExchangeFailed("garbage")
    return text


def _sureness(choice: Mapping[str, object], preset: Preset) -> float | None:
    """Return how likely the affirmative word was where it or the negative one was said."""
    logprobs = choice.get("logprobs")
    rows = logprobs.get("content") if isinstance(logprobs, dict) else None
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            continue
        entries = row.get("top_logprobs")
        options = [row, *(entries if isinstance(entries, list) else [])]
        weights = {preset.affirmative: 0.0, preset.negative: 0.0}
        if _word(row) not in weights:
            continue
        for option in options[1:] or options:
            value = option.get("logprob") if isinstance(option, dict) else None
            if isinstance(value, int | float) and value <= 0 and _word(option) in weights:
                weights[_word(option)] += math.exp(value)
        total = sum(weights.values())
        return weights[preset.affirmative] / total if total > 0 else None
    return None


def _word(option: object) -> str:
    token = option.get("token") if isinstance(option, dict) else None
    return token.strip().lower() if isinstance(token, str) else ""
