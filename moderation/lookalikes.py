"""Letters of other alphabets that look like Latin ones."""

import re

GREEK_CYRILLIC = re.compile("[\u0370-\u03ff\u0400-\u052f\u0531-\u0587]")

_PAIRS = (
    # Cyrillic, small then capital
    "аa вb еe зz иu йu кk мm нh оo пn рp сc тt уy хx ѕs іi їi јj ԁd ԛq ԝw һh ѵv ӏl гr ґr ёe яr "
    "АA ВB ЕE ЗZ ИN КK МM НH ОO РP СC ТT УY ХX ЅS ІI ЇI ЈJ ԌG ԚQ ԜW ҺH ѴV ӀI ЁE ЯR "
    # Greek
    "αa βb γy εe ζz ηn ιi κk μu νv οo ρp σs ςs τt υu χx ωw "
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX "
    # Armenian
    "աw հh նn օo սu զq ցg"
)
LOOKALIKES = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}

# Seldom meant as anything else, so read as plain letters in any word.
_ODD_PAIRS = (
    "ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz "
    "ɑa ɡg ɩi ıi ȷj ƙk ɓb ɗd"
)
ALWAYS_LATIN = {ord(pair[0]): pair[1] for pair in _ODD_PAIRS.split()}
