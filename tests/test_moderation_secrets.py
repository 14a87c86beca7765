"""Keys, tokens and passwords are found; what only looks random is left alone."""

import base64
import random
import string
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.errors import ModeratorError
from chat.types import Message
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.conformance import check_named
from moderation.policy import Policy, Rule
from moderation.secrets import SecretsModerator, settle
from moderation.stream import OutputGate

SECRETS = SecretsModerator()
RNG = random.Random(20)
# Put together here, so that nothing in this file looks like a secret to whoever scans it.
LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def token(length: int, alphabet: str = LETTERS) -> str:
    return "".join(RNG.choice(alphabet) for _ in range(length))


def segment(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


JWT = ".".join((segment('{"alg":"HS256"}'), segment('{"sub":"1234567890"}'), token(43)))
FRAME = "-----{} RSA PRIVATE KEY-----"
KEY = "\n".join((FRAME.format("BEGIN"), token(64), token(64), FRAME.format("END")))
SOME_UUID = uuid.UUID(int=RNG.getrandbits(128))


def context(text: str, stage="input") -> ModerationContext:
    return ModerationContext((Message("user", text),), stage)


def judge(text: str, moderator=SECRETS) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for span in moderator.check(context(text)).spans:
        name = span.category.removeprefix("secrets/")
        found.setdefault(name, []).append(text[span.start : span.end])
    return found


@pytest.mark.parametrize(
    ("secret", "category"),
    [
        ("AKIA" + token(16, string.ascii_uppercase), "aws_key"),
        ("ghp_" + token(36), "github_token"),
        ("github_pat_" + token(22) + "_" + token(59), "github_token"),
        ("glpat-" + token(20), "gitlab_token"),
        ("xoxb-" + token(12, string.digits) + "-" + token(24), "slack_token"),
        ("sk_live_" + token(24), "stripe_key"),
        ("sk-" + token(48), "api_key"),
        ("sk-proj-" + token(100), "api_key"),
        ("sk-ant-api03-" + token(95), "api_key"),
        ("AIza" + token(35), "google_key"),
        ("hf_" + token(34), "hugging_face_token"),
        ("npm_" + token(36), "npm_token"),
        ("pypi-" + token(120), "pypi_token"),
        ("SG." + token(22) + "." + token(43), "sendgrid_key"),
        ("SK" + token(32, HEX), "twilio_key"),
        ("123456789:AA" + token(33), "telegram_token"),
        ("dop_v1_" + token(64, HEX), "api_key"),
        ("AGE-SECRET-KEY-1" + token(58, string.ascii_uppercase), "api_key"),
        (JWT, "jwt"),
        (KEY, "private_key"),
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "Here it is: {}, keep it.", '{{"x": "{}"}}', "密钥是{}。"]
)
def test_tokens_are_found_by_their_shape(secret: str, category: str, around: str):
    assert judge(around.format(secret)) == {category: [secret]}


@pytest.mark.parametrize(
    ("text", "category", "found"),
    [
        ("export DB_PASSWORD=Tr0ub4dor&3", "password", "Tr0ub4dor&3"),
        ("my password is hunter2.", "password", "hunter2"),
        ("the password for the router is S3same!, ok?", "password", "S3same!"),
        ("Mein Passwort lautet Sommer2024!", "password", "Sommer2024!"),
        ("la contraseña es gatoNegro77", "password", "gatoNegro77"),
        ("mysql --password=corr3ct-h0rse", "password", "corr3ct-h0rse"),
        ('"password": "p@ssw0rd!x"', "password", "p@ssw0rd!x"),
        ("postgres://bob:s3cr3tive@db:5432/x", "password", "s3cr3tive"),
        ("https://bob:Tr0ub4dor@example.com/", "password", "Tr0ub4dor"),
        ("Authorization: Basic Ym9iOmh1bnRlcjI=", "basic_auth", "Ym9iOmh1bnRlcjI="),
    ],
)
def test_passwords_are_found_by_the_words_before_them(text: str, category: str, found: str):
    assert judge(text) == {category: [found]}


@pytest.mark.parametrize(
    "before",
    ["api_key = '", "API_KEY=", '"client_secret": "', "x-api-key: ", "token: ", "--token ",
     "aws_secret_access_key = ", "Authorization: Bearer ", "my secret key is "],
)  # fmt: skip
def test_what_is_called_a_key_and_is_random_is_one(before: str):
    key = token(38) + "a7"
    assert [key] in judge(before + key).values()


@pytest.mark.parametrize(
    "text",
    [
        f"id {SOME_UUID} and token: {SOME_UUID}",
        f"commit {token(40, HEX)}, md5 {token(32, HEX)}, sha256:{token(64, HEX)}",
        f"data:image/png;base64,iVBORw0KGgo{token(300)}",
        "version 10.2.3-rc1, order A-2024-000123, ISBN 978-3-16-148410-0",
        "password: ********, password: <your password>, password=${DB_PASSWORD}",
        "password = os.environ['DB'], password = getpass(), pwd: /home/ann/src2",
        "The password must be at least 12 characters. Password: required. password is wrong",
        "api_key = config['openai_key'], token = response.json()['access_token']",
        "api_key: YOUR_API_KEY_GOES_HERE1234, sk-xxxxxxxxxxxxxxxxxxxxxxxx, ghp_" + "x" * 36,
        "max_tokens: 4096, next_token: " + token(30) + ", eos_token=</s>",
        "the task-force-of-many-people sk-nothing-at-all-is-here-to-find",
        "https://user:password@example.com and http://localhost:8080/a@b",
        "My secret: I like cheese. The secret to happiness is rest.",
        "Bearer of good news, bearer bonds, and the token of my affection",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
        "eyJust a word. eyJ.eyJ.eyJ",
        "",
    ],
)
def test_what_only_looks_random_is_left(text: str):
    assert judge(text) == {}


def test_private_key_without_its_end_runs_to_the_end():
    text = "x " + KEY[:60]
    assert judge(text) == {"private_key": [text[2:]]}


def test_kinds_can_be_chosen_and_are_checked():
    assert judge(f"{JWT} my password is hunter2", SecretsModerator(["secrets/jwt"])) == {
        "jwt": [JWT]
    }
    with pytest.raises(ModeratorError, match=r"'secrets/jwts'.*secrets/jwt"):
        SecretsModerator(["secrets/jwts"])


@given(st.text(st.characters(), max_size=300))
def test_any_text_can_be_judged(text: str):
    for span in SECRETS.check(context(text)).spans:
        assert 0 <= span.start < span.end <= len(text)


@pytest.mark.parametrize(
    "unit",
    ["a", "eyJaaaaaaaa", "eyJaaaaaaaa.", "eyJaaaaaaaa-", "sk-ab-", "password: ", "secret_", "hf_",
     "-----BEGIN ", "a://", "://:", "api_key=a1b2c3d4e5f6g7h8 ", "token=", "é", "\ud800", "漢",
     "-----BEGIN PRIVATE KEY-----", "password=a1!", "xoxb-1", "bearer "],
)  # fmt: skip
def test_much_of_anything_is_judged(unit: str):
    text = (unit * (150_000 // len(unit) + 1))[:150_000]
    assert isinstance(SECRETS.check(context(text)).scores, dict)


PIECES = st.sampled_from(
    [JWT, KEY, KEY[:40], "-----BEGIN", "RSA", "PRIVATE KEY-----", "my password is", "hunter2", "\n",
     "ghp_" + token(36), "api_key:", token(30), "postgres://a:b7c8d9@host", "Well, that is all.",
     "and so", "the", "-----END RSA PRIVATE KEY-----", "密码：", "password for", "token"]
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, max_size=10), st.randoms(use_true_random=False))
async def test_nothing_of_a_finding_leaves_whatever_the_chunks(pieces, rng):
    text = " ".join(pieces)
    chain = Chain((SECRETS,), Policy("test", "1", {}, default=(Rule(0.5, "redact"),)))
    try:
        messages = (Message("user", "?"), Message("assistant", text))
        whole = await chain.check(ModerationContext(messages, "output"))
        gate = OutputGate(chain, messages[:1])
        rest = text
        while rest:
            cut = rng.randint(1, 20)
            await gate.feed(rest[:cut])
            rest = rest[cut:]
        await gate.finish()
    finally:
        chain.close()
    assert gate.released == whole.apply(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8), st.lists(PIECES, max_size=5))
def test_what_is_settled_stays_as_it_is(before, after):
    head = " ".join([*before, ""]).replace("密码：", "x")
    limit = settle(head)
    spans = [SECRETS.check(context(text)).spans for text in (head, head + " ".join(after))]
    starts = [{span.start for span in found if span.start < limit} for found in spans]
    assert starts[0] == starts[1]


def test_it_keeps_the_contract():
    samples = ["The key is ghp_" + token(36) + " as ever", f"So take this: {JWT} and go"]
    assert check_named("secrets", samples=samples, timeout_s=60) == []


async def test_a_key_longer_than_what_is_read_again_stays_inside():
    key = "\n".join((FRAME.format("BEGIN"), *(token(64) for _ in range(60)), FRAME.format("END")))
    text = f"Here it is: {key} and that was it. " + "More words follow. " * 20
    chain = Chain((SECRETS,), Policy("test", "1", {}, default=(Rule(0.5, "redact"),)))
    try:
        gate = OutputGate(chain, (Message("user", "?"),))
        for start in range(0, len(text), 9):
            await gate.feed(text[start : start + 9])
        await gate.finish()
    finally:
        chain.close()
    assert gate.released == text.replace(key, "[PRIVATE_KEY]")
