"""Letters of other alphabets that look like Latin ones.

Drawn from Unicode's table of confusable characters (confusables.txt of UTS #39, Unicode License v3,
as packed by confusable-homoglyphs 3.3.1, MIT), without what NFKC undoes by itself, and extended by
hand. Each group is a Latin letter followed by what looks like it.
"""

# Of alphabets that are close to ours: a word that mixes them with Latin is a disguise.
_KINDRED = (
    "aΆΑάαАаӑӓᎪ bΒβВЬвьᏏᏴ cСсҫᏟⲤⲥꮯ dδԁᎠᏧ eΈΕέεЁЕеѐёҽҿӗէᎬ fϜҒғք gԌցᏀᏳ hΉΗНнђћңҺһӈիհᎻᏂⲎ "
    "iΊΙίιϊІЇіїӀᎥⲒꙇꭵ jͿϳЈјյᎫ kΚκКкқҝҡӄᏦⲔ lӏԼլᏞⳐ mΜϺМмᎷⲘ nΝήηИпըղնոռⲚ oΌΘΟοσόОоӧӨөՕօჿⲞⲟ "
    "pΡρРрթᏢⲢⲣ qԚԛգզ rЯгяґրᎡᏒᴦⲅꮁ sςЅѕՏտᏕᏚꮪ tΤτТтҭեᎢⲦ uμυϋύЦийцҵՍս vνѴѵᏙꮩ wωώШЩшщѡԜԝաᎳᏔꮃ "
    "xΧχХхҳⲬ yΎΥγУуўҮүӱყᎩᎽⲨ zΖζЗзᏃꮓ"
)
# Of other writings, digits among them: a disguise only where the whole word can be read.
_DISTANT = (
    "aᗅꓮ𐊠𖽀 bᑲᖯᗷꓐ𐊂𐊡𐌁 cꓚ𐊢𐌂𐐕𐐽𐔜𑣩𑣲 dᑯᗞᗪꓒꓓ eⴹꓰ𐊆𑢦𑢮 fᖴꓝ𐊇𐊥𐔥𑢢𑣂 gꓖ hᕼꓧ𐋏 iᛁꓲ𐌉𑣃 jᒍꓙ kᛕꓗ𐔘 "
    "l\u05d5\u05df\u0627\u0661۱\u07caᒪⵏꓡ𐊊𐌠𐐛𐔦𑢣𑢲𖼖𖼨\U0001e8c7 mᗰᛖꓟ𐊰𐌑 nꓠ𐔓 "
    "o\u05e1\u0647\u0665\u06be\u06c1\u06d5۵\u07c0०০੦૦ଠ୦௦౦೦ഠ൦๐໐ဝ၀ዐⵔ〇ꓳ𐊒𐊫𐐄𐐬𐓂𐓪𐔖𑓐𑢵𑣈𑣗𑣠 pᑭꓑ𐊕 qⵕ "
    "rᖇꓣ𐒴𖼵 sꓢ𐊖𐐠𐑈𑣁𖼺 tꓔ𐊗𐊱𐌕𑢼𖼊 uሀᑌꓴ𐓎𐓶𑢸𑣘𖽂 v\u05d8\u0667۷ᐯⴸꓦꛟ𐔝𑜆𑢠𑣀𖼈 wꓪ𑜊𑜎𑜏𑣦𑣯 xᕁᕽᚷⵝꓫ𐊐𐊴𐌗𐌢𐔧𑣬 yꓬ𐊲𑢤𑣜𖽃 "
    "zꓜ𑢩𑣄𑣥"
)
# Of Chinese writing: besides, there must be a letter that isn't Chinese at all.
_CHINESE = (
    "a丹卂 b乃 c亡匚 d刀 e乇 f下千 g厶 h卄 i丨工 j丁 k长 lㄥ乚 m从爪 n几 "
    "oㄖ口 p卩尸 r尺 s丂 tㄒ丅 uㄩ凵 w山 x乂 yㄚ丫 z乙"
)
# Seldom meant as anything else, so read as plain letters in any word: small capitals, letters of
# phonetic alphabets, letters with a stroke or a hook.
_ODD = (
    "aɐɑɒᴀⱥ bƀƃƄƅɞʙꞴ cƈᴄϲϹ dᴅ eɇɘɜᴇꬲ fʄẝꜰꞘꞙꬵ gƍǥɠɡɢᶃ hɦɧʜⱨ iİıƖɨɩɪ jȷɉᴊꞲ kᴋⱪ lƚǀɫɬɭʟⱡꞁ mɱᴍ "
    "nɲɳɴ oɵɸᴏᴑꬽ pƥᴘᵽꝑ qɋʠꝗꞯ rƦɍɼɽɾʀꭇꭈ sƽʂʃꜱ tʈᴛⱦ uʉᴜꞟꭎꭒ vʋᴠ wɯᴡⱳ xꞳ yɏɣʏᶌỿꭚ zƶȥʐʑᴢⱬ"
)


def _table(groups: str) -> dict[int, str]:
    return {ord(char): group[0] for group in groups.split() for char in group[1:]}


def _both_cases(table: dict[int, str]) -> dict[int, str]:
    cased = {other: new for old, new in table.items() for other in _cases(chr(old))}
    return cased | table


def _cases(char: str) -> list[int]:
    return [ord(each) for each in (char.lower(), char.upper()) if len(each) == 1 and each > "\x7f"]


KINDRED = _table(_KINDRED)
DISTANT = _table(_DISTANT)
CHINESE = _table(_CHINESE)
ALWAYS_LATIN = _both_cases(_table(_ODD))
