"""docs/api.md: every call of the API, the method of the client and the command that make it."""

from workers.cli.calls import commands
from workers.cli.main import app as hone
from workers.reference.document import Operation, Schema, operations, python_type

_HEAD = """\
# The JSON API

Written by `make client` from the API's document, `/api/openapi.json` on a running platform. How calls are made, by
curl, from Python and from a shell, is in [client.md](client.md) and on `/api/docs`. Addresses begin with `/api/v1`.
Each call has one name: the document's operation, and the client's method.

A list answers with `{"items": [...], "before": key or null}`, newest first; `before` and `limit` ask for the rest. A
failure is `application/problem+json` with a sentence in `detail`. Where no scope is named no token opens the call,
only a session: that of a browser, or of `hone` on the machine itself.
"""


def page(document: Schema) -> str:
    """The page, in Markdown."""
    by_tag: dict[str, list[Operation]] = {}
    for each in operations(document):
        by_tag.setdefault(each.tag, []).append(each)
    words = _commands()
    parts = [_HEAD]
    for tag, found in by_tag.items():
        parts.append(f"## {tag.capitalize()}\n")
        parts += [_section(each, words[each.name]) for each in found]
    return "\n".join(parts)


def _commands() -> dict[str, list[str]]:
    """Operation -> the commands that do it: of those that do others too, only where no other does it."""
    found: dict[str, list[tuple[int, str]]] = {}
    for command, _, done in commands(hone):
        for operation in done:
            found.setdefault(operation, []).append((len(done), command))
    fewest = {operation: min(others for others, _ in by) for operation, by in found.items()}
    return {
        operation: sorted(command for others, command in by if others == fewest[operation])
        for operation, by in found.items()
    }


def _section(each: Operation, by: list[str]) -> str:
    says = " ".join(each.says.split())
    scope = " or ".join(f"`{one}`" for one in each.scopes) or "none"
    lines = [
        f"### {each.name}",
        "",
        f"`{each.method} {each.path.removeprefix('/api/v1')}` · scope {scope} · {', '.join(f'`{one}`' for one in by)}",
        "",
    ]
    lines += [says, ""]
    takes = [one for one in each.arguments if one.where != "path"]
    lines += [
        f"- `{one.name}`{' (needed)' if one.required else ''}: {python_type(one.schema, '')}"
        f"{'. ' + one.says if one.says else ''}"
        for one in takes
    ]
    if each.takes_file:
        lines.append("- `file` (needed): the file itself")
    response = f"list of {each.rows}" if each.rows else "a file" if each.is_file else each.response or "nothing"
    lines += [*([""] if takes or each.takes_file else []), f"Answers with {response}.", ""]
    return "\n".join(lines)
