"""A browser without JavaScript: it reads pages and sends the forms that are on them. Knows nothing of Hone."""

from typing import Any, Self
from urllib.parse import urljoin

import httpx
from selectolax.lexbor import LexborHTMLParser, LexborNode


class PageProblem(Exception):
    """A page did not come, or is not what was expected; the message is for a person."""


class Form:
    """A form of a page, filled in as it came. `set` what a person would type, then `send`."""

    def __init__(self, browser: "Browser", page: LexborHTMLParser, node: LexborNode, page_url: str) -> None:
        self._browser = browser
        self.action = urljoin(page_url, node.attributes.get("action") or page_url)
        self.fields: dict[str, str] = {}
        own = node.attributes.get("id")
        for control in page.css("input, select, textarea"):
            named = control.attributes.get("form")
            if named == own if named else _within(control, node):
                self._read(control)

    def _read(self, control: LexborNode) -> None:
        attributes = control.attributes
        name, kind = attributes.get("name"), attributes.get("type")
        if not name or kind in ("submit", "button", "file"):
            return
        if kind in ("checkbox", "radio"):
            if "checked" in attributes:
                self.fields[name] = attributes.get("value") or "on"
        elif control.tag == "select":
            options = control.css("option")
            picked = next((option for option in options if "selected" in option.attributes), *options[:1])
            value = picked.attributes.get("value")
            self.fields[name] = picked.text() if value is None else value
        elif control.tag == "textarea":
            self.fields[name] = control.text()
        else:
            self.fields[name] = attributes.get("value") or ""

    def set(self, **values: Any) -> Self:
        """Fill fields; True ticks a box, False leaves it empty."""
        for name, value in values.items():
            if value is False:
                self.fields.pop(name, None)
            else:
                self.fields[name] = "true" if value is True else str(value)
        return self

    def send(self, *, to: str | None = None, **button: str) -> "Page":
        """Press a button (its name and value); `to` is the button's own address where it has one."""
        return self._browser.post(urljoin(self.action, to) if to else self.action, self.fields | button)


def _within(control: LexborNode, form: LexborNode) -> bool:
    outer: LexborNode | None = control
    while outer is not None and outer != form:
        outer = outer.parent
    return outer is not None


class Page:
    """What came back."""

    def __init__(self, browser: "Browser", response: httpx.Response) -> None:
        self._browser = browser
        self.status = response.status_code
        self.url = str(response.url)
        self.html = LexborHTMLParser(response.text)

    def form(self, action: str) -> Form:
        """The form whose address ends with `action`."""
        for node in self.html.css("form"):
            target = urljoin(self.url, node.attributes.get("action") or self.url)
            if target.partition("?")[0].endswith(action):
                return Form(self._browser, self.html, node, self.url)
        raise PageProblem(f"{self.url} has no form for {action}.{self.says}")

    def one(self, selector: str) -> LexborNode:
        """The first element that fits."""
        found = self.html.css_first(selector)
        if found is None:
            raise PageProblem(f"{self.url} has nothing like {selector}.{self.says}")
        return found

    def has(self, selector: str) -> bool:
        """Whether anything fits."""
        return self.html.css_first(selector) is not None

    @property
    def says(self) -> str:
        """What the page complains of, with a blank before it."""
        for selector in (".notice.bad, .notice.warn, .error:not([hidden])", "main h1 + p", "main h1"):
            if found := self.html.css_first(selector):
                return f" {' '.join(found.text().split())}"
        return ""


class Browser:
    """One person's cookies and pages."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            follow_redirects=True,
            timeout=httpx.Timeout(700, connect=10),
            headers={"Accept": "text/html"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._client.close()

    def get(self, url: str) -> Page:
        """Open a page."""
        return self._page(self._client.get(url))

    def json(self, url: str) -> Any:
        """What a page's script would fetch."""
        response = self._client.get(url, headers={"Accept": "application/json"})
        if response.is_error:
            raise PageProblem(f"{url} answered {response.status_code}.")
        return response.json()

    def post(self, url: str, fields: dict[str, str]) -> Page:
        """Send a form and open the page it leads to."""
        return self._page(self._client.post(url, data=fields))

    def _page(self, response: httpx.Response) -> Page:
        page = Page(self, response)
        if response.is_error:
            raise PageProblem(f"{response.url.path} answered {response.status_code}:{page.says}")
        return page
