"""Colours for code: comments, text, numbers and words of the language.

One pass of one expression for each family of languages, in which no repetition can be tried in more than one way, so
the time is in proportion to the code whatever it is; lexers of grammars have inputs on which they take minutes.
"""

import re
from functools import lru_cache

from app.web.markdown.escaping import escaped

MAX_COLOURED = 20_000  # characters of all code of a text; further code is shown without colours

_STRING = r'"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?|"(?:[^"\\\n]|\\.){0,200}+"|\'(?:[^\'\\\n]|\\.){0,200}+\''
_NUMBER = r"\b\d[\w.]*"
_COMMENTS = {
    "hash": r"(?<!\S)\#[^\n]*",
    "slash": r"//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?",
    "dash": r"--[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?",
    "percent": r"%[^\n]*",
    "semicolon": r";[^\n]*",
    "markup": r"<!--(?:[^-]|-(?!->))*+(?:-->)?",
}
_LANGUAGES = {
    "hash": "python py python3 ruby rb bash sh shell zsh console yaml yml toml r perl make makefile docker "
    "dockerfile elixir julia powershell nginx ini conf graphql",
    "slash": "javascript js typescript ts jsx tsx java c cpp c++ h hpp csharp cs c# go golang rust rs php kotlin "
    "kt swift scala dart css scss less groovy objective-c objc zig json jsonc json5 protobuf solidity",
    "dash": "sql postgresql mysql sqlite lua haskell hs ada elm vhdl",
    "percent": "latex tex matlab octave erlang prolog",
    "semicolon": "lisp clojure scheme racket asm nasm",
    "markup": "html xml svg vue xhtml",
}
_FAMILY = {name: family for family, names in _LANGUAGES.items() for name in names.split()}
_WORDS = {
    "hash": "and as assert async await begin break case class continue def del do done elif else elsif end ensure "
    "esac except export fi finally for from function global if import in is lambda local match module my "
    "next nonlocal not or pass raise require rescue return self sub then try unless until use when while "
    "with yield True False None true false nil null",
    "slash": "abstract async await bool boolean break byte case catch char class const constexpr continue debugger "
    "def default defer delete do double else enum export extends extern false final finally float fn for "
    "foreach from func function fun go goto if impl implements import in instanceof int interface "
    "internal is let long loop match mod mut namespace new nil null object of operator override package "
    "private protected pub public range return select self short signed sizeof static string struct super "
    "switch template this throw throws trait true try type typedef typename undefined union unsafe "
    "unsigned use using val var virtual void volatile when where while with yield None Self True",
    "dash": "add all alter and as asc begin between by case class commit create data delete desc distinct do drop "
    "else elseif end exists false for from function group having if import in index inner insert instance "
    "into is join key left let like limit local module nil not null of offset on or order outer primary "
    "references repeat return right rollback select set table then true type union unique until update "
    "using values view where while with",
    "percent": "begin end case catch else elseif for function if otherwise return switch try when while receive fun",
    "semicolon": "and cond define defmacro defn defun do fn if lambda let loop nil not ns or quote require when",
    "markup": "",
}
_CLASSES = {"comment": "c", "text": "s", "number": "m", "tag": "nt"}


def coloured(code: str, language: str) -> str:
    """`code` as HTML, with a class for each kind of word where the language is known."""
    if language == "diff":
        return "".join(_diff_line(line) for line in code.splitlines(keepends=True))
    family = _FAMILY.get(language)
    if family is None:
        return escaped(code)
    words = _words(family)
    parts: list[str] = []
    at = 0
    for found in _expression(family).finditer(code):
        kind, word = found.lastgroup, found[0]
        css = _CLASSES.get(kind or "")
        if kind == "word":
            known = (word.lower() if family == "dash" else word) in words
            css = "k" if known else "nf" if code.startswith("(", found.end()) else None
        if css:
            parts += [
                escaped(code[at : found.start()]),
                f'<span class="{css}">{escaped(word)}</span>',
            ]
            at = found.end()
    return "".join(parts) + escaped(code[at:])


def _diff_line(line: str) -> str:
    css = {"+": "gi", "-": "gd", "@": "gu"}.get(line[:1])
    return f'<span class="{css}">{escaped(line)}</span>' if css else escaped(line)


@lru_cache(maxsize=len(_COMMENTS))
def _words(family: str) -> frozenset[str]:
    return frozenset(_WORDS[family].split())


@lru_cache(maxsize=len(_COMMENTS))
def _expression(family: str) -> re.Pattern[str]:
    parts = [f"(?P<comment>{_COMMENTS[family]})", f"(?P<text>{_STRING})"]
    if family == "markup":
        parts.append(r"(?P<tag></?[A-Za-z][\w:-]*+|/?>)")
    parts += [f"(?P<number>{_NUMBER})", r"(?P<word>[A-Za-z_]\w*+)"]
    return re.compile("|".join(parts), re.DOTALL)
