"""What is caught in plain text: is it caught in disguise, too? And harmless text: is it let be?"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.evaluation.dataset import Sample
from moderation.evaluation.disguises import DISGUISES, disguise


@dataclass(frozen=True, slots=True)
class Robustness:
    """How many texts were refused under each disguise.

    Args:
        caught: of the `num_caught` unsafe texts that are refused in plain.
        alarmed: of the `num_passed` harmless texts that pass in plain.
    """

    num_caught: int
    num_passed: int
    caught: Mapping[str, int]
    alarmed: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON knows it."""
        return asdict(self)


async def measure_robustness(
    chain: Chain, samples: Iterable[Sample], most: int = 200, seed: int = 0
) -> Robustness:
    """Judge the first `most` texts that are caught, and that pass, again under each disguise."""
    unsafe: list[Sample] = []
    harmless: list[Sample] = []
    for sample in samples:
        chosen = unsafe if sample.is_unsafe else harmless
        is_wanted = sample.is_unsafe is not None and len(chosen) < most
        if is_wanted and await _is_refused(chain, sample) == sample.is_unsafe:
            chosen.append(sample)
        if len(unsafe) >= most and len(harmless) >= most:
            break
    caught = {name: await _count(chain, unsafe, name, seed) for name in DISGUISES}
    alarmed = {name: await _count(chain, harmless, name, seed) for name in DISGUISES}
    return Robustness(len(unsafe), len(harmless), caught, alarmed)


async def _count(chain: Chain, samples: Iterable[Sample], name: str, seed: int) -> int:
    return sum([await _is_refused(chain, put_on(sample, name, seed)) for sample in samples])


async def _is_refused(chain: Chain, sample: Sample) -> bool:
    return (await chain.check(ModerationContext(sample.messages, sample.stage))).is_refused


def put_on(sample: Sample, name: str, seed: int = 0) -> Sample:
    """Return `sample` with its last message under a disguise."""
    last = sample.messages[-1]
    hidden = Message(last.role, disguise(last.content, name, seed))
    return replace(sample, messages=(*sample.messages[:-1], hidden))
