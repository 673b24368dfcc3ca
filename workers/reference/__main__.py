"""`python -m workers.reference [--check]`: write what follows from the API's document, or say what is not as it would
be written."""

import sys

from workers.reference.writing import ROOT, written


def main(check: bool) -> int:
    """1 where a file differs and is only checked: those after it may not load without it."""
    for path, text in written():
        if (ROOT / path).is_file() and (ROOT / path).read_text(encoding="utf-8") == text:
            continue
        if check:
            print(f"{path} is not as the API's document has it; run `make client`.", file=sys.stderr)
            return 1
        (ROOT / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
