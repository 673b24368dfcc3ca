"""What a call sends beside its file: fields that nobody knows, and what is no file, are told and not passed over."""

import pytest

from tests.app.conftest import Browser, Cast

GOOD = b'{"prompt": "Why?"}\n'


@pytest.mark.parametrize("where", ["imports", "imports/preview"])
@pytest.mark.parametrize(
    ("sent", "field", "sentence"),
    [
        ({"files": {"file": ("a", GOOD)}, "data": {"as": "labels"}}, "as", "There is no such field."),
        ({"files": [("file", ("a", GOOD)), ("file", ("b", GOOD))]}, "file", "Send one file."),
        ({"data": {"file": "a.jsonl"}}, "file", "Send the file itself, as a part of the form that has a file name."),
        ({"files": {"file": ("a", GOOD)}, "data": {"mapping": "[]"}}, "mapping", "Give the map as JSON, such as"),
        ({"files": {"file": ("a", GOOD)}, "data": {"mapping": '{"prompt": 3}'}}, "mapping", "Give the map as JSON"),
        ({"files": {"file": ("a", GOOD)}, "data": {"what": ["labels", "prompts"]}}, "what", "Send it once."),
    ],
)
def test_what_is_not_understood_is_told(
    client: Browser, cast: Cast, where: str, sent: dict[str, object], field: str, sentence: str
) -> None:
    address = f"/api/v1/projects/{cast.project.id}/{where}"
    done = client.post(address, headers=client.bearer(cast.manager), **sent)  # type: ignore[arg-type]
    assert done.status_code == 422, done.text
    assert done.json()["errors"][field].startswith(sentence)
