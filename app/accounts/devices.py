"""From what somebody signs in, in plain words: "Firefox on Windows". Only these words are kept, not what the
browser sent."""

import re

COMMAND_LINE = "Command line"
UNKNOWN = "Unknown device"

# The first that is found counts: browsers name those that they descend from, and Android names Linux.
_BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Vivaldi", r"Vivaldi/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Version/.*Safari/"),
    ("curl", r"^curl/"),
    ("Python", r"^python-|^hone"),
)
_SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("ChromeOS", r"CrOS"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("Linux", r"Linux|X11"),
)
_READ = 500  # characters of the header


def named(user_agent: str) -> str:
    """Browser and system that a `User-Agent` header tells of; what is not known of the two is left out."""
    told = user_agent[:_READ]
    browser, system = (
        next((name for name, pattern in known if re.search(pattern, told)), None) for known in (_BROWSERS, _SYSTEMS)
    )
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or UNKNOWN
