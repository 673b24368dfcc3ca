"""One word for one thing: phrases that the pages, the documents and the sentences of the program left behind."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from token import COMMENT, STRING
from tokenize import tokenize

ROOT = Path(__file__).parent.parent
PHRASES = """
>By itself<
next reward model pays
wait for the first one: train
People's choices teach the model
what it learns comes back
are kept ready
Find out
Mend them below
here already, or twice
Import the good ones
Leave out what cannot be used
Which side a prompt is on
The most probable one
most probable answer
Control arm
Measures stay fair
so many missed checks
the last so many
plain right choice
mixed in unseen
People for each pair
My answers
You have not answered here
Look again
Write it again
Undo: the last pair again
may come back as training prompts
Admit the marked
Refuse the marked
a hint, no more
points of the other opinion
All in all
Everything that takes long
out of the project?
Go on to use it up
do not go together
the password forgotten
signed in in
without an end
High and left is good
You may not do this
To the start page
Pace and agreement
target row
by itself in 24 hours
whiten rewards
score without an end
"promoted", "promoted"
Agreement and annotators
Take it up again
Leave it<
mean: all raters
>Person<
policy in use
one in use
LOOP.md
HOUSE.md
WORDS.md
""".strip().splitlines()


def texts() -> Iterator[tuple[Path, str]]:
    """What people read: templates and documents whole, of programs their strings."""
    for folder, pattern in (("templates", "**/*.html"), ("docs", "*.md"), ("app", "**/*.py"), ("workers", "**/*.py")):
        for path in (ROOT / folder).glob(pattern):
            text = path.read_text(encoding="utf-8")
            if path.name == "log.md":
                continue
            if path.suffix != ".py":
                yield path, text
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield path, node.value


# Names that stand, see docs/decisions/0030: of columns, calls and figures that were stored; and a verb.
STANDING = {"answers_from", "answer_tokens", "baseline_answer_tokens", "equal_answers", "answers_for"}
OLD_NAMES = {"answer", "answers", "probable"}


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What a module itself names, and in which line: functions, classes, arguments, variables, fields; but not the
    section `answer` of a project's settings and the field `answer` of a label that is sent."""
    sections = {
        id(node.target)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "answer"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            if node.arg != "answer" or "LabelSettings" not in ast.unparse(node.annotation or ast.Constant("")):
                yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in sections:
            yield node.id, node.lineno


def test_no_name_has_an_old_word() -> None:
    found, read = set(), 0
    for folder in ("app", "rlhf", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            for name, line in names(ast.parse(path.read_text(encoding="utf-8"))):
                read += 1
                words = {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
                if words & OLD_NAMES and name not in STANDING:
                    found.add(f"{path.relative_to(ROOT)}:{line} {name}")
    assert read > 10_000
    assert not found


def test_no_text_has_an_old_phrase() -> None:
    read = list(texts())
    assert len({path for path, _ in read}) > 200
    found = {
        f"{path.relative_to(ROOT)}: {phrase}"
        for path, text in read
        for phrase in PHRASES
        if phrase.lower() in " ".join(text.replace("’", "'").split()).lower()
    }
    assert not found


def test_code_is_marked_one_way_in_docstrings_and_comments() -> None:
    doubled = []
    for folder in ("app", "bench", "examples", "formats", "migrations", "rlhf", "tests", "workers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            with path.open("rb") as file:
                for token in tokenize(file.readline):
                    words = token.type == COMMENT or (token.type == STRING and token.string.startswith('"""'))
                    if words and re.search(r"(?<!`)``(?!`)", token.string):
                        doubled.append(f"{path.relative_to(ROOT)}:{token.start[0]}")
    assert not doubled, "single backticks, please"
