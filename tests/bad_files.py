"""Files that people send by mistake or that broke on their way, each with what has to be said of it."""

import gzip
import io
import json

import pyarrow
import pyarrow.parquet

GOOD = '{"prompt": "How do tides work?"}\n'
_MANY = "".join(json.dumps({"prompt": f"{n * n * 7919:x}?", "id": n}) + "\n" for n in range(2000)).encode()



def _parquet(names: list[str], row: str) -> bytes:
    file = io.BytesIO()
    columns = [pyarrow.array([each]) for each in row]
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, names=names), file)
    return file.getvalue()


WHOLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "The file is empty."),
    "blank": (b" \r\n\n", "The file is empty."),
    "zip": (b"PK\x03\x04 an archive", "Unpack it, or save the sheet as CSV"),
    "old workbook": (b"\xd0\xcf\x11\xe0 a sheet", "Save the sheet as CSV"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF"),
    "binary": (bytes(range(256)) * 40, "not a text file"),
    "html": (b"<html>\n<p>Hello</p>\n</html>", "cannot be told what this file holds"),
    "gzip cut at once": (gzip.compress(_MANY)[:30], "damaged"),
    "zstd cut at once": (pyarrow.compress(_MANY, "zstd", asbytes=True)[:20], "damaged"),
    "parquet cut": (b"PAR1 and no more", "damaged"),
    "table without names": (b"How?,So.,No.\nWhy?,So.,No.\nWho?,So.,No.\n", "Write their names there"),
    "two columns of a name": (b"prompt,prompt\na,b\n", "Two columns are named"),
    "names alone": (b"prompt,chosen,rejected\n", "There are no rows in it."),
    "pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"),
    "yaml": (b"prompts:\n  - How?\n  - Why?\n", "cannot be told what this file holds"),
    "numbers": (b"1\n2\n3\n", "cannot be told what this file holds"),
    "a title above the names": (b"Report\nprompt,chosen,rejected\nHow?,a,b\n", "names stand in line 2"),
    "parquet with a name twice": (_parquet(["prompt", "chosen", "chosen"], "abc"), "Two columns are named 'chosen'"),
    "unknown columns": (b"alpha,beta\n1,2\n3,4\n", "no known layout: alpha, beta"),
}
"""Of which nothing can be read: the sentence."""

ROWS: dict[str, tuple[bytes, str]] = {
    "gzip cut": (gzip.compress(_MANY)[:-2000], "damaged"),
    "mixed encodings": (GOOD.encode() + '{"prompt": "Où?"}\n'.encode("cp1252"), "not valid UTF-8"),
    "5,000 digits": (f'{GOOD}{{"prompt": "x", "n": {"9" * 5000}}}\n'.encode(), "too many digits"),
    "deep nesting": (f'{GOOD}{{"prompt": "x", "n": {"[" * 200_000}{"]" * 200_000}}}\n'.encode(), "nested too deeply"),
    "half a surrogate": (f'{GOOD}{{"prompt": "\\ud800"}}\n'.encode(), "broken Unicode"),
    "half a surrogate in a column nobody reads": (
        f'{GOOD}{{"prompt": "x", "n": ["\\udfff"]}}\n'.encode(),
        "broken Unicode",
    ),
    "half a surrogate in a cell": (
        b'prompt,id\nWhy?,1\n"[{""role"": ""user"", ""content"": ""\\ud800""}]",2\n',
        "broken Unicode",
    ),
    "null character": (f'{GOOD}{{"prompt": "x\\u0000"}}\n'.encode(), "null character"),
    "a field twice": (f'{GOOD}{{"prompt": "x", "prompt": "y"}}\n'.encode(), '"prompt" twice'),
    "two lines of names": (b"prompt,id\nWhy?,1\nprompt,id\nWho?,2\n", "The line of names stands here again."),
    "the names again in other letters": (b"prompt,id\nWhy?,1\nPrompt, ID\nWho?,2\n", "names stands here again"),
    "ragged rows": (b"prompt,id\nWhy?,1\nWho?\nHow?,2,3\n", "It has 1 cells; the line of names has 2."),
    "a quote never closed": (b'prompt,id\nWhy?,1\n"Who?,2\nHow?,3\n', "never closed"),
    "a list cut": (f"[{GOOD}, {GOOD}".encode(), "ends before its list"),
}
"""Of which some rows can be read, and one at least is refused: the reason."""
