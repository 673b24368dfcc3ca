"""`python -m workers.reference [--check]`: write what follows from the API's document, or say what is not as it would
be written."""

import sys

from workers.reference.writing import ROOT, written


def main(check: bool) -> int:
    """1 where files differ and are only checked."""
    wrong = []
    for path, text in written().items():
        if (ROOT / path).is_file() and (ROOT / path).read_text(encoding="utf-8") == text:
            continue
        wrong.append(path)
        if not check:
            (ROOT / path).write_text(text, encoding="utf-8")
    if check and wrong:
        print(f"Not as the API's document has it; run `make client`: {', '.join(wrong)}", file=sys.stderr)
    return int(check and bool(wrong))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
