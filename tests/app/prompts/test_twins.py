"""Near twins of prompts are on one side, whenever they come; prompts of one template are not."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app import models as m
from app.prompts import service, splits, twins
from app.prompts.reading import content_hash, split_key
from tests import factories
from tests.app.conftest import Cast

SKY = "explain to a child of seven why the sky is blue and why it turns red in the evening over the sea"


def _asked(text: str) -> m.Messages:
    return [{"role": "user", "content": text}]


def _runs(text: str) -> set[str]:
    return {text[at : at + twins.RUN] for at in range(len(text) - twins.RUN + 1)}


def _texts(random: Random, count: int) -> list[str]:
    """Questions of 40 words each that have little in common."""
    words = ["".join(random.choices("abcdefghiklmnoprstuw", k=random.randint(2, 9))) for _ in range(3000)]
    return [" ".join(random.choices(words, k=40)) for _ in range(count)]


def _one_word_else(random: Random, text: str) -> str:
    words = text.split()
    words[random.randrange(len(words))] = "perhaps"
    return " ".join(words)


def test_keys_are_what_was_stored() -> None:
    """They are compared with those of years before."""
    assert twins.keys(SKY)[:2] == [-6075548617021108314, -263236932788926860]
    assert len(twins.keys(SKY)) == twins.BANDS


def test_what_differs_in_a_word_shares_keys_and_what_differs_in_a_number_none() -> None:
    assert set(twins.keys(SKY)) & set(twins.keys(f"{SKY} please"))
    assert set(twins.keys(SKY)) & set(twins.keys(SKY.replace("the evening", "the evenings")))
    assert not set(twins.keys(f"{SKY} in 20 words")) & set(twins.keys(f"{SKY} in 30 words"))
    assert twins.keys("why is the sky blue") == []  # too short: one word is most of it


@given(st.text(max_size=300))
def test_any_text_has_keys_or_none(text: str) -> None:
    assert len(twins.keys(text)) in (0, twins.BANDS)
    assert all(-(2**63) <= key < 2**63 for key in twins.keys(text))


def test_keys_are_shared_as_often_as_the_bands_say() -> None:
    random, shared, expected = Random(0), 0, 0.0
    for text in _texts(random, 300):
        other = text
        for _ in range(random.randint(1, 8)):
            other = _one_word_else(random, other)
        alike = len(_runs(text) & _runs(other)) / len(_runs(text) | _runs(other))
        shared += bool(set(twins.keys(text)) & set(twins.keys(other)))
        expected += 1 - (1 - alike**twins.ROWS) ** twins.BANDS
    assert 0.3 * 300 < expected < 0.9 * 300
    assert shared == pytest.approx(expected, abs=4 * (300 / 4) ** 0.5)


def _sides(session: Session, project: m.Project) -> dict[str, m.Split]:
    return {
        each.messages[0]["content"]: each.split for each in session.query(m.Prompt).filter_by(project_id=project.id)
    }


def test_near_twins_are_on_one_side(session: Session, cast: Cast) -> None:
    """In one import and in a later one, also as the beginning of a conversation, and by the preview as well."""
    random = Random(1)
    texts = _texts(random, 40)
    with_them, later = [_one_word_else(random, text) for text in texts], [f"{text} please" for text in texts]
    service.import_prompts(session, cast.project, None, [*texts, *with_them], m.PromptSource.IMPORT)
    told = service.import_prompts(session, cast.project, None, later, m.PromptSource.API, dry=True).holdout
    service.import_prompts(session, cast.project, None, later, m.PromptSource.API)
    sides = _sides(session, cast.project)
    assert sides.keys() == {*texts, *with_them, *later}
    assert {*Counter(sides[text] for text in texts)} == {*m.Split}
    assert [sides[text] for text in with_them] == [sides[text] for text in texts]
    assert [sides[text] for text in later] == [sides[text] for text in texts]
    assert told == sum(sides[text] is m.Split.HOLDOUT for text in later)


@pytest.mark.parametrize("seed", range(3))
def test_prompts_of_one_template_are_not_all_on_one_side(session: Session, cast: Cast, seed: int) -> None:
    texts = [f"Write a short and friendly poem about the following word and its history: {text[:4]}"
             for text in _texts(Random(seed), 300)]  # fmt: skip
    service.import_prompts(session, cast.project, None, texts, m.PromptSource.IMPORT)
    sides = Counter(_sides(session, cast.project).values())
    assert sides.total() == len({*texts})
    assert 0.1 < sides[m.Split.HOLDOUT] / sides.total() < 0.35
    keys = Counter(key for each in session.query(m.Prompt) for key in each.twin_keys)
    assert max(keys.values()) == twins.MOST_TWINS  # so that to look them up stays cheap


@pytest.mark.parametrize("size", [1, 7, 100])
def test_batches_decide_as_the_whole(session: Session, cast: Cast, size: int) -> None:
    random = Random(3)
    texts = [*_texts(random, 25)]
    texts += [_one_word_else(random, text) for text in texts for _ in range(3)]
    texts += [f"A template that is said again and again about {text[:3]}" for text in texts]
    random.shuffle(texts)
    messages = {content_hash(_asked(text)): _asked(text) for text in texts}
    whole = splits.assigned(session, cast.project.id, messages)
    assert _stored(session, cast.project, messages, size) == whole


def _stored(session: Session, project: m.Project, messages: dict[str, m.Messages], size: int) -> dict[str, object]:
    found: dict[str, object] = {}
    digests: Sequence[str] = [*messages]
    for start in range(0, len(digests), size):
        part = {digest: messages[digest] for digest in digests[start : start + size]}
        for digest, columns in splits.assigned(session, project.id, part).items():
            factories.prompt(session, project, messages=messages[digest], content_hash=digest, **columns)
            found[digest] = columns
        session.flush()
    return found


def test_a_copied_prompt_decides_for_its_twins(session: Session, cast: Cast) -> None:
    other, texts = factories.project(session), _texts(Random(4), 12)
    for text in texts:
        keys = {"split_key": split_key(_asked(text)), "twin_keys": twins.keys(text)}
        factories.prompt(session, cast.project, text, split=m.Split.HOLDOUT, **keys)
    service.copy_prompts(session, cast.project, other, cast.manager)
    again = {text: _asked(f"{text} please") for text in texts} | {f"{text} exactly": _asked(text) for text in texts}
    assert {each["split"] for each in splits.assigned(session, other.id, again).values()} == {m.Split.HOLDOUT}
