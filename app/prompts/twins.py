"""Keys that near twins of a text share: prompts that differ in a word or two of many. Knows no database.

MinHash (Broder 1997, "On the resemblance and containment of documents") of the text's runs of five characters, which
every script has, in bands (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 3.4). Two texts that share a
part J of their runs have a key in common with the probability 1 - (1 - J^6)^8: 0.998 where J is 0.9, 0.12 where it is
0.5. Of texts that differ in a number none: "17 + 25" and "17 + 26" are two questions.
"""

import re
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

RUN = 5  # characters
BANDS, ROWS = 8, 6
SHORTEST = 20  # characters; below that a word is most of a text
MOST_TWINS = 20  # prompts of one key: what more of them share is a template, which says nothing of the question

Words = NDArray[np.uint64]
_NUMBER = re.compile(r"\d+")


def _mixed(x: Words) -> Words:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): each bit moves half of the bits of the result."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = _mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64) * _STEP)[:, None] | np.uint64(1)


def keys(words: str) -> list[int]:
    """The keys of a text of normalised words: `BANDS` numbers of 64 bits with a sign, or none of a short text."""
    if len(words) < SHORTEST:
        return []
    characters = np.frombuffer(words.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    runs = np.zeros(len(characters) - RUN + 1, dtype=np.uint64)
    for place in range(RUN):
        runs = runs * _STEP + characters[place : place + len(runs)]
    runs = _mixed(np.unique(runs))
    least = (runs * _FACTORS).min(axis=1).astype("<u8").reshape(BANDS, ROWS)
    told = " ".join(_NUMBER.findall(words)).encode()
    bands = (blake2b(row.tobytes() + told, digest_size=8, salt=bytes([band])) for band, row in enumerate(least))
    return [int.from_bytes(band.digest(), "little", signed=True) for band in bands]
