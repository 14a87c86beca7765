"""Personal data is found where it stands, other numbers are left alone, and nothing slips out."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.errors import ModeratorError
from chat.types import Message, Span
from moderation.base import ModerationContext
from moderation.chain import Chain
from moderation.conformance import check_named
from moderation.identifiers import check_digits as check
from moderation.identifiers.shapes import fold
from moderation.pii import PiiModerator, settle
from moderation.policy import Policy, Rule
from moderation.stream import OutputGate
from tests.pii_sentences import PHONES, checked, fill, phone_sentences

PII = PiiModerator()


def context(text: str, stage="input") -> ModerationContext:
    return ModerationContext((Message("user", text),), stage)


def judge(text: str, moderator=PII) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for span in moderator.check(context(text)).spans:
        found.setdefault(span.category.removeprefix("pii/"), []).append(text[span.start : span.end])
    return found


@pytest.mark.parametrize(
    ("text", "category", "found"),
    [
        ("write to Jane.Doe+x@mail.example.co.uk.", "email", "Jane.Doe+x@mail.example.co.uk"),
        ("müller@bücher.de", "email", "müller@bücher.de"),
        ("邮箱：li@example.cn。", "email", "li@example.cn"),
        ("иван@пример.рф", "email", "иван@пример.рф"),
        ("card 4111 1111 1111 1111 2025", "card", "4111 1111 1111 1111"),
        ("card 4111\u200b1111-1111\u00a01111", "card", "4111\u200b1111-1111\u00a01111"),
        ("card ４１１１１１１１１１１１１１１１", "card", "４１１１１１１１１１１１１１１１"),
        ("card 378282246310005", "card", "378282246310005"),
        ("GB82 WEST 1234 5698 7654 32 and more", "iban", "GB82 WEST 1234 5698 7654 32"),
        ("be68539007547034", "iban", "be68539007547034"),
        ("DE89-3704-0044-0532-0130-00", "iban", "DE89-3704-0044-0532-0130-00"),
        ("ssn 536-90-4399", "ssn", "536-90-4399"),
        ("social security: 536 90 4399", "ssn", "536 90 4399"),
        ("at 192.168.1.17.", "ip", "192.168.1.17"),
        ("at 2001:db8::8a2e:370:7334", "ip", "2001:db8::8a2e:370:7334"),
        ("::ffff:93.184.216.34 came", "ip", "::ffff:93.184.216.34"),
        ("mac 00:1A:2b:3C:4d:5E", "mac", "00:1A:2b:3C:4d:5E"),
        ("mac 001a.2b3c.4d5e.", "mac", "001a.2b3c.4d5e"),
        ("my NHS number is 943 476 5919", "national_id", "943 476 5919"),
        ("NI: AB 12 34 56 C", "national_id", "AB 12 34 56 C"),
        ("CPF 529.982.247-25", "national_id", "529.982.247-25"),
        ("2341 2341 2346", "national_id", "2341 2341 2346"),
        ("mi DNI es 12345678Z", "national_id", "12345678Z"),
        ("NIE X1234567L", "national_id", "X1234567L"),
        ("身份证11010519491231002X。", "national_id", "11010519491231002X"),
        ("1 85 05 78 006 084 91", "national_id", "1 85 05 78 006 084 91"),
        ("RSSMRA85T10A562S", "national_id", "RSSMRA85T10A562S"),
        ("756.9217.0769.85", "national_id", "756.9217.0769.85"),
        ("85.07.30-033.28", "national_id", "85.07.30-033.28"),
        ("811218-9876", "national_id", "811218-9876"),
        ("PESEL: 44051401359", "national_id", "44051401359"),
        ("BSN 111222333", "national_id", "111222333"),
        ("my SIN is 130 692 544", "national_id", "130 692 544"),
        ("Steuer-ID: 86095742719", "national_id", "86095742719"),
        ("routing number 021000021", "bank_routing", "021000021"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "crypto", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("DOB: 12/03/1985", "birth_date", "12/03/1985"),
        ("I was born on March 3, 1990", "birth_date", "March 3, 1990"),
        ("Geburtsdatum: 4. März 1987", "birth_date", "4. März 1987"),
        ("fecha de nacimiento: 3 de mayo de 1977", "birth_date", "3 de mayo de 1977"),
        ("ruf 030 / 901820 an", "phone", "030 / 901820"),
        ("电话13812345678。", "phone", "13812345678"),
    ],
)
def test_personal_data_is_found_where_it_stands(text: str, category: str, found: str):
    assert judge(text) == {category: [found]}


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 has a wrong check digit; 0000 0000 0000 0000 is none",
        "GB82 WEST 1234 5698 7654 33 has a wrong check digit",
        "the year 2024-05-17, at 10:45:30, version 1.2.3.4.5, 999.999.1.1",
        "10 000 000 people, 3.14159265358979, 1234567890",
        "see std::vector::iterator and a::b",
        "user@localhost, @someone, a@b, decorators like @app.get",
        "between 1914-1918 and 1939-1945",
        "000-12-3456 or 666-12-3456",
        "127.0.0.1, 0.0.0.0, 255.255.255.0, ::1, section 1.2.3.4, version 10.20.30.40",
        "Mozart was born on 27 January 1756, Ada Lovelace on 10 December 1815.",
        "She was born on August 4, 1961, in Honolulu.",
        "ISBN 978-3-16-148410-0, IMEI 490154203237518",
        "INT_MAX is 2147483647 and UINT_MAX 4294967295; now is 1700000000123",
        "https://example.com/415-555-2671/4111111111111111",
        "call 1-800-273-8255, 0800 1110111 or 116123 if you need somebody",
        "order number 415-555-2671, invoice #2125550188",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "a 529.982.247-26 that fails",
        "12345678A has the wrong letter",
        "",
    ],
)
def test_what_only_looks_like_it_is_left(text: str):
    assert judge(text) == {}


def test_cards_and_phones_side_by_side_are_all_found():
    cards = "4111111111111111 5555555555554444 4012888888881881"
    assert judge(cards) == {"card": cards.split()}
    phones = "415-555-2671 212-555-0188 +49 30 901820"
    assert judge(phones) == {"phone": ["415-555-2671", "212-555-0188", "+49 30 901820"]}


def test_of_two_that_overlap_the_stronger_counts():
    assert judge("card no. is 4111-1111-1111-1111, call me") == {"card": ["4111-1111-1111-1111"]}


def test_phones_are_found_and_little_else_is_taken_for_one():
    hit = missed = wrong = 0
    for text, numbers in phone_sentences(random.Random(11), 3_000):
        found = judge(text).get("phone", [])
        hit += len([number for number in numbers if number in found])
        missed += len([number for number in numbers if number not in found])
        wrong += len([number for number in found if number not in numbers])
    assert hit / (hit + missed) > 0.97
    assert hit / (hit + wrong) > 0.97


@pytest.mark.parametrize("shape", PHONES)
def test_every_way_to_write_a_phone_number_is_known(shape: str):
    rng = random.Random(shape)
    numbers = [fill(shape, rng).replace("(800)", "(801)") for _ in range(20)]
    numbers = [number for number in numbers if not number.lstrip("+1-(").startswith("8")]
    found = [judge(f"Please ring {number} today.").get("phone") for number in numbers]
    assert [[number] for number in numbers] == found


@pytest.mark.parametrize(
    ("shape", "is_valid", "category"),
    [
        ("4### #### #### ####", check.is_card, "card"),
        ("5###############", check.is_card, "card"),
        ("###.###.###-##", check.is_cpf, "national_id"),
        ("N### #### ####", check.is_aadhaar, "national_id"),
        ("756.####.####.##", check.is_swiss_id, "national_id"),
        ("## ### ### ###", check.is_german_tax_id, "national_id"),
        ("DE## #### #### #### #### ##", lambda found: check.measure_iban(found) > 0, "iban"),
        ("FR## #### #### #### #### #### ###", lambda f: check.measure_iban(f) > 0, "iban"),
    ],
)
def test_numbers_with_right_check_digits_are_found_and_others_not(shape, is_valid, category):
    rng = random.Random(shape)
    for _ in range(20):
        number = checked(shape, is_valid, rng)
        assert judge(f"It is {number}, I think.").get(category) == [number]
    wrong = (fill(shape, rng) for _ in range(200))
    wrong = [number for number in wrong if not is_valid(number)]
    assert not [number for number in wrong if judge(f"It is {number}.").get(category)]


@given(st.text("0123456789", min_size=4, max_size=15), st.integers(0, 9), st.integers(1, 9))
def test_luhn_tells_every_digit_that_is_wrong(number: str, place: int, by: int):
    last = next(d for d in "0123456789" if check.is_luhn([*map(int, number), int(d)])
                or len(set(number + d)) == 1)  # fmt: skip
    digits = [*map(int, number + last)]
    if check.is_luhn(digits):
        place %= len(digits)
        digits[place] = (digits[place] + by) % 10
        assert not check.is_luhn(digits)


def test_kinds_can_be_chosen_and_are_checked():
    chosen = PiiModerator(["pii/email"])
    assert judge("a@b.org 192.168.1.1", chosen) == {"email": ["a@b.org"]}
    with pytest.raises(ModeratorError, match=r"'pii/mail'.*pii/email"):
        PiiModerator(["pii/mail"])


def test_kinds_that_moved_say_where_to():
    with pytest.raises(ModeratorError, match=r"'secrets/jwt'.*moderator 'secrets'"):
        PiiModerator(["pii/email", "secrets/jwt"])


@given(st.text(st.characters(), max_size=300))
def test_any_text_can_be_judged(text: str):
    for span in PII.check(context(text)).spans:
        assert 0 <= span.start < span.end <= len(text)


@given(st.text(st.characters(), max_size=200))
def test_folding_keeps_every_character_in_its_place(text: str):
    folded = fold(text)
    assert folded.text.isascii() and len(folded.text) == len(folded.offsets)
    for place in range(len(folded.text)):
        start, end = folded.locate(place, place + 1)
        assert end == start + 1
        if text[start].isascii():
            assert folded.text[place] == text[start]


@pytest.mark.parametrize(
    "unit",
    [
        "a", "7", "12 ", "4111 ", "+4", "GB82 ", "AB12", "a@", "a.", "a:", "call me at ", "é", "漢",
        "1\u200b", "(555) ", "01 234567 ", "415-555-2671 ", "order 415-555-2671 ", "dob ", "1.1.",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed ", "nhs ", "+1 (415) ", "\ud800", "1/1/",
    ],
)  # fmt: skip
def test_much_of_anything_is_judged(unit: str):
    text = (unit * (150_000 // len(unit) + 1))[:150_000]
    assert isinstance(PII.check(context(text)).scores, dict)


# What may stand in an answer: words, findings, and pieces of findings.
PIECES = st.sampled_from(
    ["4111 1111 1111 1111", "GB82 WEST 1234 5698 7654 32", "+49 30 901820", "415-555-2671", "12",
     "536-90-4399", "ann@example.org", "06 12 34 56 78", "tel. 5550123456 ext. 12", "and", "then",
     "943 476 5919", "NHS 943 476 5919", "dob 12 March 1985", "1 85 05 78 006 084 91", "4111",
     "2341 2341 2346", "1111 1111", "GB82", "WEST", "+49", "(030)", "the", "a", "7.", "call", "x",
     "Well, that is a sentence.", "March", "of", "3", "\n", "2024", "-", "号码", "192.168.1.17"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=14), st.randoms(use_true_random=False))
async def test_nothing_of_a_finding_leaves_whatever_the_chunks(pieces, rng):
    text = " ".join(pieces)
    policy = Policy("test", "1", {}, default=(Rule(0.5, "redact"),))
    chain = Chain((PII,), policy)
    try:
        messages = (Message("user", "?"), Message("assistant", text))
        whole = await chain.check(ModerationContext(messages, "output"))
        gate = OutputGate(chain, messages[:1])
        rest = text
        while rest:
            cut = rng.randint(1, 12)
            await gate.feed(rest[:cut])
            rest = rest[cut:]
        await gate.finish()
    finally:
        chain.close()
    assert gate.released == whole.apply(text)


def spans_before(text: str, limit: int) -> set[Span]:
    return {span for span in PII.check(context(text)).spans if span.start < limit}


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=10), st.lists(PIECES, max_size=6))
def test_what_is_settled_stays_as_it_is(before, after):
    head = " ".join([*before, ""])
    limit = settle(head)
    assert spans_before(head, limit) == spans_before(head + " ".join(after), limit)


def test_words_settle_at_once_and_numbers_wait():
    assert settle("Call the office on Monday ") == len("Call the office on Monday ")
    assert settle("the card 4111 1111 ") == len("the card ")
    assert settle("pay to GB82 WEST 1234 ") == len("pay to ")


def test_it_keeps_the_contract():
    samples = [
        "Write to jane.doe@example.com today",
        "The card is 4111 1111 1111 1111, thanks",
        "My IBAN: GB82 WEST 1234 5698 7654 32",
        "You can call me at (212) 555-0188 ext. 4",
    ]
    assert check_named("pii", samples=samples, timeout_s=60) == []
