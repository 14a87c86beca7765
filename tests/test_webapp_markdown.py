"""Answers as HTML: everything of Markdown, and nothing that runs, submits or fetches."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.ui import markdown
from webapp.ui.markdown import LANGUAGES, LONGEST_TEXT, plain, render

BARE = "blockquote br code em figcaption hr s strong table tbody thead tr ul"
ATTRIBUTES = {
    "a": {"href", "title", "rel", "target"},
    "button": {"type", "class"},
    "figure": {"class", "dir"},
    "div": {"class"},
    "span": {"class"},
    "ol": {"start"},
    "li": {"dir"},
    "p": {"dir", "class"},
    "pre": {"dir"},
    "th": {"dir", "class"},
    "td": {"dir", "class"},
    **{f"h{level}": {"dir"} for level in range(3, 7)},
    **dict.fromkeys(BARE.split(), frozenset()),
}
EVIL = (
    "<script>alert(1)</script>",
    "<SCRIPT\n>alert(1)</SCRIPT >",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<svg onload=alert(1)><style>*{background:url(//evil.example)}</style></svg>",
    "<form action=http://evil.example><input name=password><button formaction=x></form>",
    "<object data=x></object><embed src=x><base href=//evil.example><meta http-equiv=refresh>",
    "<img src=x onerror=alert(1)>",
    "<!-- --><!--><script>alert(1)</script-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?><!DOCTYPE html>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a]( \tjavascript:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](<java\nscript:alert(1)>)",
    "[a](javascript&colon;alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](&#x6A;&#x61;vascript&#58;alert(1))",
    "[a](\\javascript:alert(1))",
    "[a](javascript\\:alert(1))",
    "[a](\x01javascript:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](data:image/png;base64,AAAA)",
    "[a](vbscript:msgbox)",
    "[a](file:///etc/passwd)",
    "[a](//evil.example)",
    "[a](/logout)",
    "[a](#top)",
    "[a]()",
    "[a](https:logout)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "<vbscript:x>",
    "[a][b]\n\n[b]: javascript:alert(1)",
    "[a]\n\n[a]: data:text/html,x 'onclick=alert(1)'",
    '[a](https://b.example "x\\" onmouseover=alert(1) \\"")',
    "[a](https://b.example/\"onmouseover='alert(1)')",
    "![a](javascript:alert(1))",
    "![a](http://beacon.example/x.png)",
    "[![a](http://beacon.example/x.png)](https://b.example)",
    "![![a](http://c.example)](http://d.example)",
    "[[[a](javascript:b)](javascript:c)](javascript:d)",
    "[a [b](https://c.example)](https://d.example)",
    "```<script>\nalert(1)\n```",
    '```" onclick="alert(1)\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "| <script> | a |\n|---|:-:|\n| <img src=x onerror=alert(1)> | ${b} |",
    "${alert(1)} {{alert(1)}} `${alert(1)}` {{{value}}}",
    '__i18n__{"key": "x"}',
    "1. a\n\n   > b\n   > ```\n   > c",
    "&lt;script&gt;&amp;lt;",
    "\u202eevil\u202c \u2066a\u2069 \x00\ud800 \r\n\x0b\x0c\x85\u2028",
    "a\n===\n# b\n## c\n###### d",
    "- [ ] task\n- [x] done",
)


class Page(HTMLParser):
    """What a browser would make of it: holds the allow-list, and collects text and links."""

    def __init__(self, source: str):
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.links: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in ATTRIBUTES, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES[tag], (tag, attrs)
        self.tags.append(tag)
        if tag not in ("br", "hr"):
            self.open.append(tag)
        if tag == "a":
            self._check_link(dict(attrs))
        if tag == "button":
            assert dict(attrs) == {"type": "button", "class": "copy-code"}

    def _check_link(self, attrs):
        assert self.open.count("a") == 1
        assert re.match(r"https?://|mailto:", attrs["href"], re.IGNORECASE)
        assert (attrs["rel"], attrs["target"]) == ("noopener noreferrer nofollow", "_blank")
        self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.parametrize("is_partial", [False, True])
@pytest.mark.parametrize("text", EVIL)
def test_nothing_in_an_answer_runs_submits_or_fetches(text, is_partial):
    page = Page(render(text, is_partial=is_partial))
    assert not any("evil" in link or "alert" in link for link in page.links if "b.ex" not in link)


@given(st.lists(st.one_of(st.sampled_from(EVIL), st.text(max_size=12)), max_size=6), st.booleans())
def test_whatever_is_put_together_stays_within_the_allowed_elements(parts, is_partial):
    for joint in ("", "\n", "\n\n> "):
        Page(render(joint.join(parts), is_partial=is_partial))
        Page(plain(joint.join(parts)))


@given(st.text(st.sampled_from("[]()<>!*_~`#|:->\\&;\n\t 1.a\"'=")))
def test_any_mix_of_marks_is_read(text):
    Page(render(text))
    Page(render(text, is_partial=True))


@pytest.mark.parametrize(
    "unit", ["[", "![", ">", "*", "`", "- ", "<", "|", "a|\n-|\n", "[a](", "**a", "&", "\\", "\0"]
)
@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_a_flood_of_marks_is_shown(unit, size):
    source = unit * (size // len(unit))
    Page(render(source))


def test_lists_and_quotes_within_one_another_end_somewhere():
    deep = "\n".join("  " * depth + "- a" for depth in range(200))
    quotes = ">" * 500 + "a"
    for source in (deep, quotes):
        page = Page(render(source))
        assert len(page.tags) < 1_000


def test_each_kind_of_markdown_has_its_element():
    source = (
        "# One\n\n**bold** *slanted* ~~gone~~ `code`\n\n> said\n\n1. first\n2. second\n\n"
        "- point\n\n---\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n[site](https://a.example)"
    )
    tags = set(Page(render(source)).tags)
    assert {"strong", "em", "s", "code", "blockquote", "ol", "ul", "hr", "table", "a"} <= tags
    assert '<td dir="auto" class="right">2</td>' in render(source)


@pytest.mark.parametrize(
    "mark, tag", [("#", "h3"), ("##", "h4"), ("###", "h5"), ("####", "h6"), ("######", "h6")]
)
def test_headings_of_an_answer_stand_below_those_of_the_page(mark, tag):
    assert Page(render(f"{mark} Title")).tags == [tag]


def test_code_has_its_language_a_button_and_colours():
    source = render("```python\ndef f():\n    return 1\n```", copy_label="Copy <this>")
    assert "<span>python</span>" in source
    assert '<button type="button" class="copy-code">Copy &lt;this&gt;</button>' in source
    assert '<span class="k">def</span>' in source
    assert "style=" not in source


def test_code_can_be_copied_exactly():
    code = '\n\n  <b>&amp;\t"x"\n\n'
    for language in ("", "python", "no-such-language", "html"):
        shown = render(f"```{language}\n{code}```")
        text = Page(shown[shown.index("<pre>") :].replace("</figure>", "")).text
        assert text.rstrip("\n") == code.rstrip("\n")
        assert text.startswith("\n\n  <b>&amp;")


@pytest.mark.parametrize("name", sorted(LANGUAGES))
def test_every_language_that_is_named_can_be_coloured(name):
    page = Page(render(f"```{name}\na = '<b>' # c\n```"))
    assert "a = '<b>' # c" in page.text


def test_code_of_an_unknown_language_is_shown_plainly():
    assert "<code>x = 1\n</code>" in render("```brainfreeze\nx = 1\n```")


def test_code_too_long_to_colour_is_shown_plainly():
    for code in ("x = 1\n" * 10_000, "x" * 5_000):
        assert "<span class" not in render(f"```python\n{code}\n```")


def test_code_that_is_still_being_written_is_code_already():
    source = "Look:\n\n```python\nx = 1\nprint(x)\n``"
    page = Page(render(source, is_partial=True))
    assert "figure" in page.tags
    assert "``" not in page.text
    assert "print(x)" in page.text


@pytest.mark.parametrize("mark", ["`", "``", "-", "#", "1.", "=", "*", "---"])
def test_half_a_mark_is_not_shown_while_an_answer_is_written(mark):
    assert render(f"Hello\n{mark}", is_partial=True) == render("Hello")
    assert render(f"Hello\n{mark}") != render("Hello")


def test_a_picture_is_a_link_and_fetches_nothing():
    page = Page(render("![a cat](http://pictures.example/cat.png)"))
    assert page.links == ["http://pictures.example/cat.png"]
    assert page.text.strip() == "a cat"


def test_a_refused_link_leaves_its_words():
    page = Page(render("[read this](/logout) [and](ftp://that.example)"))
    assert page.text.strip() == "read this and"
    assert not page.links


def test_an_absurd_text_is_shown_as_it_is():
    source = "[" * (LONGEST_TEXT + 1)
    page = Page(render(source))
    assert page.tags == ["pre"]
    assert page.text == source


def test_an_answer_is_shown_even_if_the_parser_fails(monkeypatch, caplog):
    def fail(*_):
        raise ValueError("secret words")

    monkeypatch.setattr(markdown._PARSER, "render", fail)
    assert Page(render("secret <words>")).text == "secret <words>"
    assert "secret" not in caplog.text


@given(st.text())
def test_what_a_person_typed_is_shown_character_by_character(text):
    page = Page(plain(text))
    assert page.tags == ["p"]
    kept = text.replace("\r\n", "\n").replace("\r", "\n")
    assert page.text == re.sub("[\x00\ud800-\udfff]", "\ufffd", kept)


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [":root", ".dark"])
def test_the_colours_of_code_can_be_read(theme):
    style = (Path(markdown.__file__).parent / "code.css").read_text(encoding="utf-8")
    block = re.search(rf"^{re.escape(theme)} {{(.*?)^}}", style, re.DOTALL | re.MULTILINE)
    assert block is not None
    colours = dict(re.findall(r"--code-(\w+): (#[0-9a-f]{6});", block[1]))
    ground = _luminance(colours.pop("ground"))
    assert len(colours) >= 10
    for name, colour in colours.items():
        light, dark = sorted((ground, _luminance(colour)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name
