"""What people may call themselves and their things, so that a name is what it looks like. Knows no table."""

import unicodedata
from collections import Counter
from typing import Annotated

import regex
from pydantic import AfterValidator, StringConstraints

LONGEST = 100

# Never seen, or steering what stands beside it: control, format, private-use and unassigned characters, halves of
# surrogate pairs, line separators, whatever is drawn as nothing, and a Braille pattern without dots.
_UNSEEN = regex.compile(r"[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]")
_EMOJI_STYLE = regex.compile(r"[\ufe0e\ufe0f]")  # how the character before it is drawn, no more; dropped
_SAID = regex.compile(r"[\p{L}\p{N}\p{P}\p{S}]")
_PILED = regex.compile(r"(?:^|[^\p{L}\p{M}\p{N}])\p{M}|\p{M}{5}")
# What one word is made of: a hyphen begins another, as in RLHF-проект; an apostrophe or a full stop does not.
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’.·_]+")
# Cyrillic and Greek letters that are drawn as Latin ones (Unicode's confusables.txt). A word of nothing else is no word
# of its own where a hyphen ties it to Latin letters, as the last letter of GPT-4о.
_LATIN_TWINS = regex.compile(r"[авеікмнорстухѕјһԁԛԝАВЕІКМНОРСТУХЅЈԌԚԜοινυρΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]*")
_LETTER = regex.compile(r"(?V1)[\p{L}--[\p{scx=Common}\p{scx=Inherited}]]")
# Scripts that may meet in a word: those that Chinese, Japanese and Korean mix, with Latin letters ("highly restrictive"
# in Unicode Technical Standard 39).
_TOGETHER = [
    regex.compile(rf"[\p{{scx=Latn}}\p{{scx=Hani}}{others}]*")
    for others in (r"\p{scx=Hira}\p{scx=Kana}", r"\p{scx=Bopo}", r"\p{scx=Hang}")
]


def clean(text: str, longest: int = LONGEST) -> str:
    """The name to store: NFKC, single blanks. Raises ValueError with a sentence where it is empty, longer than
    `longest`, or hides or imitates something."""
    if len(text) > 4 * longest:
        raise ValueError(f"This may be at most {longest} characters long.")
    refuse_unseen(text)
    name = " ".join(unicodedata.normalize("NFKC", _EMOJI_STYLE.sub("", text)).split())
    refuse_unseen(name)  # NFKC makes such characters of others
    if not _SAID.search(name):
        raise ValueError("This is needed.")
    if len(name) > longest:
        raise ValueError(f"This may be at most {longest} characters long.")
    if _PILED.search(name):
        raise ValueError("This has accents without a letter, or too many on one. Please write it without them.")
    refuse_mixed_scripts(name)
    return name


def refuse_unseen(text: str) -> str:
    """The same text. Raises ValueError where it has a character that nobody sees."""
    if found := _UNSEEN.search(_EMOJI_STYLE.sub("", text.strip())):
        code = f"U+{ord(found[0]):04X}"
        raise ValueError(f"This contains a character that cannot be seen ({code}). Please type it again without it.")
    return text


def refuse_mixed_scripts(text: str) -> None:
    """Raises ValueError where one word has letters of scripts that are not used together, such as Cyrillic in Latin."""
    for word in [*_WORD.findall(text), *_with_twins(text)]:
        letters = _LETTER.findall(word)
        scripts = Counter(_script(letter) for letter in letters)
        if len(scripts) < 2 or any(together.fullmatch("".join(letters)) for together in _TOGETHER):
            continue
        rarest = min(scripts, key=scripts.__getitem__)
        odd = next(letter for letter in letters if _script(letter) == rarest)
        raise ValueError(
            f"“{word[:40]}” mixes letters of different scripts: “{odd}” is {rarest.title()}. "
            "Please write each word in one script."
        )


def _with_twins(text: str) -> list[str]:
    """What stands between blanks and has a part that looks Latin and is not."""
    found = []
    for whole in text.split():
        letters = ["".join(_LETTER.findall(part)) for part in _WORD.findall(whole)]
        if any(part and _LATIN_TWINS.fullmatch(part) for part in letters):
            found.append(whole)
    return found


def _script(letter: str) -> str:
    return unicodedata.name(letter, "unknown").split()[0]


Name = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(clean)]
"""What a person names something: 1 to 100 characters."""
