"""Sentences with personal data and without, made from templates, for the tests of `pii`."""

import random
from collections.abc import Callable, Iterator

# A pattern of a number: # is any digit, N one from 2 up, what else stands there stays.
PHONES = (
    "NN#-N##-####", "(NN#) N##-####", "NN#.N##.####", "NN# N## ####", "1-NN#-N##-####",
    "+1 NN# N## ####", "+1-NN#-N##-####", "+1 (NN#) N##-####", "NN#-N##-#### ext. ###",
    "NN#-N##-####x####", "+1NN#N######", "(NN#)N##-####", "001-NN#-N##-####",
    "+44 20 7### ####", "+44 7### ######", "020 7### ####", "07### ######", "+44 (0)20 7### ####",
    "0161 ### ####", "07### ### ###", "(020) 7### ####",
    "+49 30 #######", "030 #######", "+49 (0)89 ######", "0170 #######", "0171/#######",
    "+49 151 ########", "089-######", "(089) ######", "04021 ####-##", "+49-170-#######",
    "+33 6 ## ## ## ##", "06 ## ## ## ##", "01.##.##.##.##", "+33 (0)1 ## ## ## ##", "06########",
    "+34 6## ### ###", "+34 91 ### ## ##", "6## ## ## ##",
    "+39 3## #######", "+39 06 #### ####", "+31 6 ########", "06-########", "+32 4## ## ## ##",
    "+41 79 ### ## ##", "079 ### ## ##", "+43 664 #######", "+48 ### ### ###",
    "+46 70-### ## ##", "070-### ## ##", "+47 ### ## ###", "+45 ## ## ## ##",
    "+7 (495) ###-##-##", "8 (916) ###-##-##", "+7 916 ### ## ##", "+380 44 ### ####",
    "+91 98### #####", "98### #####", "+91-98########", "+86 138 #### ####", "138 #### ####",
    "139########", "+81 90-####-####", "090-####-####", "03-####-####", "+82 10-####-####",
    "010-####-####", "+55 11 9####-####", "(11) 9####-####", "+52 55 #### ####",
    "+61 4## ### ###", "04## ### ###", "(02) 9### ####", "+64 21 ### ####", "+27 82 ### ####",
    "+90 532 ### ## ##", "+972 50-###-####", "+971 50 ### ####", "+353 1 ### ####",
)  # fmt: skip
# Only with words that say what they are.
SAID = ("NN#N######", "N##-####", "### ### ###", "## ## ## ##", "### ####", "55 #### ####")
SAYING = (
    "My phone number is {}.", "You can call me at {} tomorrow.", "Tel. {}", "Phone: {}",
    "Please text {} when you arrive.", "Mobile {}, after six.", "Meine Handynummer ist {}.",
    "Mon téléphone : {}", "Mi número es {}.", "Fax: {}", "whatsapp {} please", "call {} now",
    "Il mio cellulare è {}", "cell {}", "phone no. {}",
)  # fmt: skip
PLAIN = (
    "{}", "The plumber ({}) comes on Monday.", "Maria Keller, 12 Elm Street, {}, is expected.",
    "Reach the front desk on {}; ask for Tom.", "Kontakt: {} oder persönlich.",
    "Hi, it's Jo, my new one is {}, bye", "Name: Lee\nContact: {}\nCity: Leeds", "- {} (home)",
    "Try {} or {}.", "请拨打{}。", "Please ring {} and leave a message.",
)  # fmt: skip
# What looks like a number to call, and is none. * is any digit, too.
OTHERS = (
    "Order number ##########  has shipped.", "Invoice NN#-N##-#### is due.", "It costs $#,###.##.",
    "The year 19## was cold; 20## was warm.", "From 19##-20##, she taught.",
    "ISBN 978-3-16-148410-0",
    "Meet at 1#:3# on 1#/0#/202#.", "It is 202#-0#-1# today.", "Version 1#.#.#### is out.",
    "Pi is 3.1415926535 and e is 2.7182818284.", "The population was #,###,### in 20##.",
    "latitude 5#.######, longitude 1#.######", "Flight LH### leaves from gate 1#.",
    "She scored ## points in ## games.", "Room ###, floor #, building ##.", "1## km in # h ## min",
    "ZIP 9####-####", "commit 4f#a#c#e9b", "sha1: ##ab##cd##ef##ab##cd", "IMEI: 35##############",
    "tracking 1Z999AA10#########", "ticket #######",
    "Add # cups, ## g of flour and ### ml of milk.",
    "1# 000 000 people", "9#,###.## EUR", "a[##][##] = ####", "port 80## at 10.0.##.#",
    "1.6# m tall and ## kg", "RFC ####, section #.#.#", "UTC+0#:00", "0x######## in memory",
    "¥#### or €####", "room 2##-3##", "pages 1##-2##", "the ##th of June 19##",
    "Score: 21-1#, 19-21",
    "timestamps 17######## and 16########", "customer id ########", "part no. ###-###-####",
    "chapter 1#.#.# verse ##", "id: ########-####-4###-8###-############", "### / ### = #",
    "Model 5##-1##-22##", "Account ##########", "0.######### seconds", "1##### + 2##### = 3#####",
    "5#,000 BC to 3,### BC", "Dial-up ran at 56 kbit/s in 199#.", "case 2:1#-cv-0####",
    "My order is 1########### now.", "Serial: 8#######-###", "18##, 19##, 20## and 21##",
    "12 + 34 + 56 + 78 = 180", "1 2 3 4 5 6 7 8 9 10 11 12", "16/9, 4/3, 21/9", "30-40-50 triangle",
    "lottery: 4 8 15 16 23 42", "binary 0110 1001 1100", "2## 3## 4## rpm", "ATP 100 200 400 800",
)  # fmt: skip


def fill(shape: str, rng: random.Random) -> str:
    """Put digits for # and N."""
    digits = {"#": "0123456789", "N": "23456789"}
    return "".join(rng.choice(digits.get(char, char)) for char in shape)


def phone_sentences(rng: random.Random, count: int) -> Iterator[tuple[str, list[str]]]:
    """Yield sentences and the phone numbers in them; every fifth has none."""
    for place in range(count):
        if place % 5 == 0:
            yield fill(rng.choice(OTHERS), rng).replace("*", "1"), []
            continue
        shape, templates = _choose(rng)
        template = rng.choice(templates)
        numbers = [fill(shape, rng) for _ in range(template.count("{}"))]
        yield template.format(*numbers), numbers


def _choose(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    if rng.random() < 0.1:
        return rng.choice(SAID), SAYING
    return rng.choice(PHONES), SAYING + PLAIN


def checked(shape: str, is_valid: Callable[[str], bool], rng: random.Random) -> str:
    """Return a number of this shape that `is_valid` takes."""
    while True:
        number = fill(shape, rng)
        if is_valid(number):
            return number
