"""E-mail addresses as accounts are known by them: one spelling for each. Hone sends no mail, so any domain will do."""

import unicodedata

import email_validator
from email_validator import EmailNotValidError, validate_email

from app.web.names import refuse_mixed_scripts, refuse_unseen

LONGEST = 254
_NONE = "Please give an e-mail address, such as ada@example.org."
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # .local, .test and others, which closed networks use


def clean(text: str) -> str:
    """The address to store: NFKC, lower case, the domain in ASCII, so that a look-alike shows as xn--…. Raises
    ValueError with a sentence where it is no address, or imitates one."""
    given = text.strip()
    if len(given) > LONGEST:
        raise ValueError(f"This may be at most {LONGEST} characters long.")
    refuse_unseen(given)
    try:
        found = validate_email(_folded(given), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        raise ValueError(_NONE) from None
    email = f"{found.local_part}@{found.ascii_domain}"
    if "." not in found.ascii_domain or len(email) > LONGEST:
        raise ValueError(_NONE)
    refuse_mixed_scripts(found.local_part)
    return email


def spellings(text: str) -> list[str]:
    """In lower case, what an account may be stored under whose owner types `text`: that itself, since addresses were
    once kept as typed, and as `clean` has it. The first is the same for all ways to type one address."""
    typed = text.strip()[: LONGEST + 1].lower().replace("\x00", "\ufffd")  # which PostgreSQL takes
    try:
        return list(dict.fromkeys([clean(text), typed]))
    except ValueError:
        return list(dict.fromkeys([_folded(typed), typed]))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
