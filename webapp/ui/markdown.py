"""An answer's Markdown as HTML that can run, submit and fetch nothing."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from chat.text import clean_text

log = logging.getLogger(__name__)

# What is longer, or has more brackets, is shown as it is: nobody writes so, and it takes seconds.
LONGEST_TEXT = 100_000
MOST_BRACKETS = 2_000
# Pygments' patterns take quadratic time on long lines.
LONGEST_CODE = 10_000
LONGEST_CODE_LINE = 500

# The languages that are coloured, by the names people write; each is a lexer of Pygments. A list
# of our own, because an unknown name makes Pygments search all installed packages for plugins.
_LEXERS = (
    "bash c cpp csharp css dart diff docker elixir go graphql haskell html ini java javascript "
    "json kotlin latex lua perl php powershell python r ruby rust scala sql swift toml typescript "
    "xml yaml zig"
)
_OTHER_NAMES = (
    "c#=csharp c++=cpp cs=csharp dockerfile=docker hs=haskell js=javascript jsx=javascript "
    "kt=kotlin patch=diff ps1=powershell py=python python3=python rb=ruby rs=rust sh=bash "
    "shell=bash svg=xml tex=latex ts=typescript tsx=typescript yml=yaml zsh=bash"
)
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {name: name for name in _LEXERS.split()}
    | dict(pair.split("=") for pair in _OTHER_NAMES.split())
)

_SAFE_LINK = re.compile(r"(?:https?://[^/\s]|mailto:[^\s])", re.IGNORECASE)
_LINK = {"rel": "noopener noreferrer nofollow", "target": "_blank"}
_ALIGNED = {"text-align:left": "left", "text-align:center": "center", "text-align:right": "right"}
# Each paragraph finds its own direction, so that Arabic or Hebrew reads from the right.
_OWN_DIRECTION = frozenset(
    ("paragraph_open", "heading_open", "list_item_open", "th_open", "td_open")
)
# The beginning of a mark that isn't written out yet would be text for a moment, or turn the
# paragraph before it into a heading.
_UNFINISHED_MARK = re.compile(r"(?:^|\n)[ \t]*(?:`{1,2}|~{1,2}|[-=*+_]{1,3}|#{1,6}|\d{1,9}[.)])\Z")


def render(text: str, *, is_partial: bool = False, copy_label: str = "Copy") -> str:
    """Return an answer as HTML: an element for each kind of Markdown, and no others.

    `is_partial` says that the answer is still being written. `copy_label` is the text on the
    button of a block of code. Whatever the text is, this takes about linear time and never raises.
    """
    text = clean_text(text)
    if is_partial:
        text = _UNFINISHED_MARK.sub("", text)
    if len(text) > LONGEST_TEXT or text.count("[") > MOST_BRACKETS:
        return _unformatted(text)
    try:
        return str(_PARSER.render(text, {"copy_label": copy_label}))
    except Exception as error:  # a reader gets the answer, whatever is wrong with the parser
        log.error("an answer could not be read as Markdown (%s)", type(error).__name__)
        return _unformatted(text)


def plain(text: str) -> str:
    """Return what a person typed as HTML that shows every character of it as it is."""
    return f'<p class="typed" dir="auto">{escape(clean_text(text))}</p>'


def _unformatted(text: str) -> str:
    return f'<pre dir="auto">{escape(text)}</pre>'


class _Renderer(RendererHTML):
    """Writes code as a figure with its language and a button to copy it."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        language = next(iter(tokens[idx].info.split()), "")[:30]
        code = tokens[idx].content
        return (
            f'<figure class="code" dir="ltr"><figcaption><span>{escape(language)}</span>'
            f'<button type="button" class="copy-code">{escape(env["copy_label"])}</button>'
            f"</figcaption><pre><code>{_colour(code, language)}</code></pre></figure>\n"
        )

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return self.fence(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return '<div class="table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return "</table></div>\n"


def _colour(code: str, language: str) -> str:
    """Return code as HTML, its words in spans with Pygments' classes."""
    name = LANGUAGES.get(language.lower())
    longest_line = max(map(len, code.split("\n")))
    if name is None or len(code) > LONGEST_CODE or longest_line > LONGEST_CODE_LINE:
        return escape(code)
    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _tame(state: StateCore) -> None:
    """Leave in the tree of tokens only what may be shown."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            # The page's own headings stand above those of an answer.
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        if token.type in _OWN_DIRECTION:
            token.attrSet("dir", "auto")
        align = _ALIGNED.get(str(token.attrs.pop("style", "")))
        if align:
            token.attrSet("class", align)
        if token.children:
            token.children = list(_tame_inline(token.children))


def _tame_inline(tokens: Sequence[Token]) -> Iterator[Token]:
    is_linked = is_kept = False
    for token in tokens:
        if token.type == "link_open":
            is_linked = True
            is_kept = bool(_SAFE_LINK.match(str(token.attrGet("href") or "")))
            token.attrs.update(_LINK)
        if token.type not in ("link_open", "link_close"):
            yield from _without_picture(token, is_linked=is_linked)
        elif is_kept:
            yield token
        if token.type == "link_close":
            is_linked = is_kept = False


def _without_picture(token: Token, *, is_linked: bool) -> Iterator[Token]:
    """Yield a link in place of a picture: to show it would tell its host who reads it."""
    if token.type != "image":
        yield token
        return
    target = str(token.attrGet("src") or "")
    text = Token("text", "", 0, content=_text_of(token.children or []) or target)
    if is_linked or not _SAFE_LINK.match(target):
        yield text
    else:
        yield Token("link_open", "a", 1, attrs={"href": target, **_LINK})
        yield text
        yield Token("link_close", "a", -1)


def _text_of(tokens: Sequence[Token]) -> str:
    return "".join(token.content or _text_of(token.children or []) for token in tokens)


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("default", {"html": False}, renderer_cls=_Renderer)
    parser.core.ruler.push("tame", _tame)
    return parser


_PARSER = _make_parser()
