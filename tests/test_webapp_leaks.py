"""What the moderators refuse of an answer leaves by no door: streams, JSON, choices, exports."""

import asyncio
import json
import random
import re

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.chain import Chain
from moderation.policy import Policy
from moderation.registry import load_moderators
from storage.store import Store
from tests.disguise import DISGUISES
from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_chat_service, make_settings, serve
from webapp.archive import Archive
from webapp.transcript import write_transcript
from webapp.turn import ChatRequest, MessagesRequest, TextDelta, TurnFinished

PHRASE = "you should kill yourself"
HIDDEN = (
    "zero-width 30 %",
    "look-alikes 50 %",
    "full width",
    "leet 50 %",
    "dotted",
    "repeats",
    "spaced, three between words",
    "pictures",
    "base64",
    "hex",
    "rot13",
    "url",
    "html",
)
PERSONAL = "jane.doe@example.com"
TALK = "The lake is calm and the boats are out today, for it is a fine morning."
FILLER = TALK.split()


class Answers(ScriptedBackend):
    """Answers whatever is asked with the same text, in the pieces that it was cut into."""

    pieces: tuple[str, ...] = ()

    async def generate(self, messages, config):
        self.script[messages[-1].content] = list(self.pieces)
        async for event in super().generate(messages, config):
            yield event


@st.composite
def answers(draw) -> tuple[str, str, tuple[str, ...]]:
    """What comes before the refused words, all of the answer, and its pieces."""
    name = draw(st.sampled_from(["", *HIDDEN]))
    hidden = DISGUISES[name](PHRASE, random.Random(draw(st.integers(0, 9)))) if name else PHRASE
    before = draw(st.lists(st.sampled_from(FILLER), max_size=60))
    after = draw(st.lists(st.sampled_from(FILLER), max_size=40))
    mail = draw(st.booleans())
    opening = " ".join([*before, PERSONAL if mail else "", ""]).lstrip()
    # What a disguise puts around the words is part of the encoding's request, not of the finding.
    start = len(opening) + (len(hidden) - len(hidden.split(" ")[-1]) if name in CODED else 0)
    text = opening + hidden + " " + " ".join(after)
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
    pieces, position = [], 0
    while position < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[position : position + size])
        position += size
    return text[:start], text, tuple(pieces)


CODED = ("base64", "hex")


def check_shown(shown: str, opening: str, text: str) -> None:
    """Nothing of the finding, nor of what follows it, nor of what is personal, was shown."""
    if PERSONAL in opening:
        assert PERSONAL.split("@")[0] not in shown
        opening = opening.replace(PERSONAL, "[EMAIL]")
        text = text.replace(PERSONAL, "[EMAIL]")
    common = next((i for i, (a, b) in enumerate(zip(shown, text, strict=False)) if a != b), None)
    common = min(len(shown), len(text)) if common is None else common
    assert common <= len(opening)
    assert text[len(opening) : len(opening) + 20] not in shown


@pytest.fixture(scope="module")
def backend():
    return Answers()


@pytest.fixture(scope="module")
def address(tmp_path_factory, backend):
    settings = make_settings(tmp_path_factory.mktemp("leaks"), moderators="rules,pii")
    with serve(create_app(settings, backend=backend)) as address:
        yield address


def read_stream(http: httpx.Client, body: dict) -> dict[int, str]:
    """Return what each choice of a stream said, after looking at every byte of it."""
    with http.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as response:
        raw = "".join(response.iter_text())
    shown: dict[int, str] = {}
    for line in raw.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                content = choice["delta"].get("content") or ""
                shown[choice["index"]] = shown.get(choice["index"], "") + content
    return shown


@settings(max_examples=10, deadline=None)
@given(drawn=answers(), num=st.integers(0, 10**9), choices=st.sampled_from([1, 1, 3]))
def test_no_answer_of_the_api_shows_what_was_refused(address, backend, drawn, num, choices):
    opening, text, backend.pieces = drawn
    body = {"messages": [{"role": "user", "content": f"question {num}"}], "n": choices}
    with httpx.Client(base_url=address, timeout=60) as http:
        streamed = read_stream(http, body)
        whole = http.post("/v1/chat/completions", json=body).json()["choices"]
        listed = http.get("/v1/models").text
    assert len(streamed) == len(whole) == choices
    for shown in (*streamed.values(), *(c["message"]["content"] for c in whole)):
        check_shown(shown, opening, text)
    assert {choice["finish_reason"] for choice in whole} == {"content_filter"}
    assert PERSONAL not in listed


@pytest.fixture(scope="module")
def moderators():
    return load_moderators(["rules", "pii"])


@pytest.mark.parametrize("mode", ["window", "buffer_all"])
@settings(max_examples=5, deadline=None)
@given(drawn=answers(), is_temporary=st.booleans())
def test_neither_page_nor_store_nor_export_has_what_was_refused(
    tmp_path_factory, moderators, mode, drawn, is_temporary
):
    opening, text, pieces = drawn
    folder = tmp_path_factory.mktemp("store")
    backend = Answers()
    backend.pieces = pieces
    chain = Chain(moderators, Policy.load("standard"), timeout_s=60)

    async def run(service, request):
        shown = ""
        async for event in service.reply(request):
            if isinstance(event, TextDelta):
                shown += event.text
            if isinstance(event, TurnFinished):
                turn = event.turn
        # A refused rest replaces what was shown: both are seen.
        check_shown(shown, opening, text)
        check_shown(turn.answer.content, opening, text)
        return turn

    async def scenario(store):
        service = make_chat_service(backend, chain, store, gate_mode=mode)
        request = ChatRequest(
            "ana", "a question", service.default_config, is_temporary=is_temporary
        )
        turn = await run(service, request)
        again = ChatRequest(
            "ana",
            "",
            service.default_config,
            turn.conversation_id,
            regenerates=turn.question_id,
            is_temporary=is_temporary,
        )
        second = await run(service, again)
        assert turn.finish_reason == second.finish_reason == "content_filter"
        asked = MessagesRequest("ana", (turn.question,), service.default_config)
        async for _ in service.complete(asked, num_answers=2):
            pass
        return service, turn

    with Store.open(f"sqlite:///{folder / 'palaver.db'}") as store:
        service, turn = asyncio.run(scenario(store))
        archive = Archive(service._memory, service._underway)
        left = [json.dumps(chat, ensure_ascii=False) for chat in store.export_chats()]
        left += [json.dumps(row, ensure_ascii=False, default=str) for row in archive.export("ana")]
        thread = asyncio.run(archive.read("ana", turn.conversation_id))
        left += [write_transcript(thread, form) for form in ("md", "json")]
        left += [chat.title for chat in asyncio.run(archive.list("ana"))]
        bad = re.escape(text[len(opening) : len(opening) + 20])
        for record in left:
            assert not re.search(bad, record)
            assert PERSONAL not in record
