"""Text within HTML that is still to be cleaned.

The sanitiser's time grows with the square of the character references in one piece of text, and `<` written by a model
two hundred thousand times is one piece. So the three signs are stood in for until it is done, by characters that
Unicode will never assign and that no text has (see `source.normalised`).
"""

_STAND_INS = (("&", "\ufdd0", "&amp;"), ("<", "\ufdd1", "&lt;"), (">", "\ufdd2", "&gt;"))
NEVER_TEXT = "\ufdd0-\ufdd2"


def escaped(text: str) -> str:
    """`text` so that the sanitiser takes no sign of it for markup."""
    for sign, stand_in, _ in _STAND_INS:
        text = text.replace(sign, stand_in)
    return text


def finished(html: str) -> str:
    """HTML that was cleaned, with character references for what was stood in for."""
    for _, stand_in, reference in _STAND_INS:
        html = html.replace(stand_in, reference)
    return html
