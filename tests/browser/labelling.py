"""A person at the labelling screen: what tests of it share. The fixture `work` makes one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import models as m
from app.annotation.comparison import ComparisonValue
from app.db import task_session


@dataclass
class Work:
    """A project with pairs, and an annotator at its screen."""

    project_id: int
    user: m.User
    address: str


MakeWork = Callable[..., Work]


def labels(work: Work) -> list[m.Label]:
    with task_session() as session:
        return list(session.scalars(select(m.Label).where(m.Label.project_id == work.project_id).order_by(m.Label.id)))


def said(label: m.Label) -> ComparisonValue:
    """What the label says, as it was shown."""
    assert isinstance(label.value, ComparisonValue)
    return label.value


def assignment(page: Page) -> str:
    return page.locator("#screen").get_attribute("data-assignment") or ""


def settled(page: Page) -> None:
    """Wait until the screen takes keys: the first moment after a new pair it does not."""
    expect(page.locator("#screen[data-settled]")).to_be_attached()


def press(page: Page, key: str) -> None:
    """Answer with one key and wait for the next pair, as a person does."""
    before = assignment(page)
    settled(page)
    page.keyboard.press(key)
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()


def zone_where_it_is(hour: int) -> str:
    """The name of a time zone in which it is this hour just now."""
    offset = next(hours for hours in range(-12, 15) if (datetime.now(UTC).hour + hours) % 24 == hour)
    return f"Etc/GMT{-offset:+d}"  # those names count the other way round
