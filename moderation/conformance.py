"""The test kit for moderators: holds one to the contract, and says in sentences what is wrong.

From a plugin's own tests, with the checkout of Palaver on PYTHONPATH::

    from moderation.conformance import check_moderator
    assert check_moderator(NoSpoilers(), samples=["The butler did it."]) == []
"""

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from chat.errors import ModeratorError
from chat.types import Verdict
from moderation.base import Manifest, ModerationContext
from moderation.chain import Chain
from moderation.optional import try_batch, try_stream
from moderation.policy import Policy, Rule
from moderation.reading import read_manifest, read_verdict
from moderation.registry import load_in_process
from moderation.stream import OutputGate
from moderation.text.normalise import normalise
from moderation.trial import Hung, Problem, Trial, is_same, shorten, thread_of

# What any moderator has to put up with, by what to call it.
TEXTS: Mapping[str, str] = {
    "an ordinary sentence": "What is the highest mountain of Wales?",
    "an empty text": "",
    "a text of spaces": " \n\t ",
    "one character": "a",
    "several languages": "Straße, naïve café, Москва, 東京の夜, مرحبا, שלום, ไทย",
    "emoji and combining marks": "👩‍👩‍👧‍👦 🇨🇭 e\u0301\u0327 Z͑ͫ̓a\u200bl",
    "control characters": "a\x00b\x1b[0m\x7f\u202eabc\ufeff",
    "lone surrogates": "a \ud800 b \udfff",
    "a megabyte without a space": "a" * 1_000_000,
    "a megabyte of words": "word and word, " * 66_667,
}
# An answer is judged every 48 characters or so: a sample is moved until every word of it was last.
_FILLER = "tea "
_SHIFTS = range(10, 22)
_NAME = re.compile(r"[^\s,:]+")
_NUM_THREADS = 8
_POLICY = Policy("conformance", "1", {}, default=(Rule(0.5, "redact"),))


def check_named(
    name: str,
    config: Mapping[str, object] | None = None,
    *,
    samples: Sequence[str] = (),
    timeout_s: float = 10.0,
) -> list[Problem]:
    """Load a moderator by name into this process, as the settings name it, and check it.

    See `check_moderator` for the arguments. What can't be loaded is a problem, too.
    """
    try:
        moderator = load_in_process(name, config)
    except ModeratorError as error:
        return [Problem("loading", str(error))]
    return check_moderator(moderator, samples=samples, timeout_s=timeout_s)


def check_moderator(
    moderator: object, *, samples: Sequence[str] = (), timeout_s: float = 10.0
) -> list[Problem]:
    """Return what is wrong with a moderator; nothing if it keeps the contract.

    Args:
        moderator: the object to check.
        samples: texts in which it finds something. Without them, nothing can be said about its
            findings: where they are, and whether they hold while a text is being written.
        timeout_s: how long one check may take.
    """
    try:
        manifest = read_manifest(moderator)
    except ModeratorError as error:
        return [Problem("manifest", str(error))]
    kit = _Kit(moderator, manifest, timeout_s)  # type: ignore[arg-type]  # read_manifest says so
    # In a thread, because the caller may be inside of an event loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(kit.run, samples).result()


class _Kit(Trial):
    """The trials of one moderator."""

    def run(self, samples: Sequence[str]) -> list[Problem]:
        self.found += _check_manifest(self.manifest)
        try:
            self._try_all(samples)
        except Hung as hung:
            self.complain(str(hung), f"The check takes longer than {self.timeout_s:g} s.")
        return list(dict.fromkeys(self.found))

    def _try_all(self, samples: Sequence[str]) -> None:
        texts = {**TEXTS, **{f"the sample {shorten(text)}": text for text in samples}}
        for stage in self.manifest.stages:
            for about, text in texts.items():
                self._try(about, ModerationContext(thread_of(text, stage), stage))
        if "output" in self.manifest.stages:
            self._try_partial(texts)
        self._try_side_by_side(samples)
        short = [*samples, *(text for text in TEXTS.values() if len(text) < 1000)]
        try_batch(self, short)
        for text in samples:
            self._try_sample(text)

    def _try(self, about: str, context: ModerationContext) -> None:
        """Check twice; the answers must be sensible, and the same."""
        first, second = (self.judge(about, context) for _ in range(2))
        if first is None or second is None:
            return
        if not is_same(first, second):
            self.complain(about, "The same text is judged differently the second time.")
        strange = [name for name in first.scores if not self._may_find(name)]
        if strange:
            self.complain(
                about,
                f"It answers with the category {strange[0]!r}, which its manifest doesn't name; "
                "name it, so that policies can.",
            )

    def _may_find(self, category: str) -> bool:
        names = self.manifest.categories
        return category in names or category.partition("/")[0] in names

    def _try_partial(self, texts: Mapping[str, str]) -> None:
        for about, text in texts.items():
            part = text[: len(text) // 2]
            context = ModerationContext(thread_of(part, "output"), "output", is_partial=True)
            self._try(f"{about}, half written", context)

    def _try_side_by_side(self, samples: Sequence[str]) -> None:
        """Judge short texts in many threads at once: each must come out as it does alone."""
        stage = next(iter(self.manifest.stages), None)
        texts = [*samples, *(text for text in TEXTS.values() if 0 < len(text) < 1000)]
        if stage is None:
            return
        contexts = [ModerationContext(thread_of(text, stage), stage) for text in texts]
        about = "several threads at once"
        alone = [self.ask(about, context) for context in contexts]
        if not all(is_same(before, again) for before, again in self._again(contexts, alone)):
            self.complain(about, "A text is judged differently while others are being judged.")

    def _again(
        self, contexts: Sequence[ModerationContext], alone: Sequence[Verdict | BaseException | None]
    ) -> Iterator[tuple[Verdict | BaseException | None, Verdict | BaseException | None]]:
        start = threading.Barrier(_NUM_THREADS)
        results: list[list[Verdict | BaseException | None]] = [[] for _ in range(_NUM_THREADS)]

        def judge_all(row: list[Verdict | BaseException | None]) -> None:
            start.wait()
            for context in contexts:
                try:
                    answer = self.moderator.check(context)
                    row.append(read_verdict(answer, self.manifest, context))
                except BaseException as error:
                    row.append(error)

        threads = [threading.Thread(target=judge_all, args=(row,), daemon=True) for row in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.timeout_s * len(contexts))
            if thread.is_alive():
                raise Hung("several threads at once")
        for row in results:
            yield from zip(alone, row, strict=True)

    def _try_sample(self, text: str) -> None:
        """A sample must be found, and as much of it while the text is being written."""
        about = f"the sample {shorten(text)}"
        stage = self.manifest.stages[-1]
        verdict = self.judge(about, ModerationContext(thread_of(text, stage), stage))
        if verdict is None:
            return
        if max(verdict.scores.values(), default=0.0) < 0.5:
            self.complain(about, "Nothing is found in it: no score reaches 0.5.")
        if "output" in self.manifest.stages and hasattr(self.moderator, "open_stream"):
            try_stream(self, text)
        if verdict.spans and "output" in self.manifest.stages:
            wholes = (f"{_FILLER * shift}{text} {_FILLER * 10}" for shift in _SHIFTS)
            if any(asyncio.run(self._leaks(whole)) for whole in wholes):
                self.complain(about, self._explain_leak(text, verdict))

    async def _leaks(self, text: str) -> bool:
        """Say if a reader sees of a growing text what is taken out of the whole one."""
        chain = Chain((self.moderator,), _POLICY, timeout_s=self.timeout_s)
        messages = thread_of(text, "output")
        whole = await chain.check(ModerationContext(messages, "output"))
        if whole.is_refused or not whole.redactions:
            return False
        gate = OutputGate(chain, messages[:-1])
        for char in text:
            await gate.feed(char)
        await gate.finish()
        return gate.released != whole.apply(text)

    def _explain_leak(self, text: str, verdict: Verdict) -> str:
        longest = max(len(normalise(text[span.start : span.end]).text) for span in verdict.spans)
        return (
            "Fed in pieces, it comes out differently from the whole text: what is found must not "
            f"depend on what follows after hold_back characters. hold_back is "
            f"{self.manifest.hold_back}, and the finding has {longest} characters."
        )


def _check_manifest(manifest: Manifest) -> Iterator[Problem]:
    if not _NAME.fullmatch(manifest.name):
        allowed = "allowed is anything without spaces, commas and colons"
        yield Problem("manifest", f"The name is {manifest.name!r}; {allowed}.")
    if not manifest.stages:
        yield Problem("manifest", "There are no stages, so nothing is ever judged.")
    if not manifest.categories:
        yield Problem("manifest", "There are no categories; policies need to know their names.")
