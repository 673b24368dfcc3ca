"""Requests that no page of ours and no honest client sends, over real HTTP: none breaks anything, none lets anybody in.

Each is sent twice, by nobody and by an annotator of another project. What must not be seen has its own words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from app.accounts import sessions
from app.db import task_session
from app.models import Member, Project, Prompt, Role, Run, User
from app.settings import get_settings
from app.web.csrf import SESSION_COOKIE
from app.web.signing import sign
from tests import factories
from tests.web_server import Answer, WebServer, web_server

CONFIDENTIAL = "confidential-7f3a"  # in the name and the prompts of the project that nobody here may see


@dataclass(frozen=True)
class Scene:
    """A server, somebody who may label in one project, and another project that is none of theirs."""

    server: WebServer
    cookie: str
    csrf: str
    own: int
    other: int


@pytest.fixture
def scene(database: str) -> Iterator[Scene]:
    with task_session() as session:
        own, other = factories.project(session), factories.project(session, name=CONFIDENTIAL)
        factories.prompt(session, other, messages=[{"role": "user", "content": CONFIDENTIAL}])
        factories.user(session, is_admin=True, name="Admin", email=f"{CONFIDENTIAL}@example.org")
        user = factories.user(session)
        factories.member(session, own, user, Role.ANNOTATOR)
        cookie = f"{SESSION_COOKIE}={sessions.start(session, user, 'test')}"
        get_settings().signing_key()
        with web_server() as server:
            yield Scene(server, cookie, sign("csrf", cookie), own.id, other.id)


def count() -> tuple[int | None, ...]:
    """What no request here may change."""
    tables = (User, Project, Prompt, Run, Member)
    with task_session() as session:
        admins = session.scalar(select(func.count()).where(User.is_admin))
        return admins, *(session.scalar(select(func.count()).select_from(table)) for table in tables)


def check(scene: Scene, requests: list[bytes], *, most: int = 499) -> None:
    """Send each as nobody and as the annotator; `{other}` and `{own}` are the projects' numbers."""
    before, key = count(), get_settings().signing_key()
    wrong = []
    for request in requests:
        request = request.replace(b"{other}", b"%d" % scene.other).replace(b"{own}", b"%d" % scene.own)
        for cookie in (b"", f"Cookie: {scene.cookie}\r\nX-CSRF-Token: {scene.csrf}\r\n".encode()):
            line, _, rest = request.partition(b"\r\n")
            answer = scene.server.send(line + b"\r\n" + cookie + rest)
            if fault := what_is_wrong(answer, key, most):
                wrong.append(f"{request[:120]!r} {'as annotator' if cookie else 'as nobody'}: {fault}")
    assert not wrong, "\n".join(wrong)
    assert count() == before
    assert scene.server.send(get("/sign-in")).status == 200, "the server goes on"


def what_is_wrong(answer: Answer, key: str, most: int) -> str | None:
    if answer.status > most:
        return f"status {answer.status}"
    said = answer.head + answer.body
    shown = [word for word in (CONFIDENTIAL, key, "root:x:0", "Traceback", "evil.example") if word in said]
    return f"{answer.status} shows {shown}" if shown else None


def get(path: str, *headers: str, method: str = "GET", host: str = "localhost") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode(
        "utf-8", "surrogateescape"
    )


def post(path: str, body: bytes, kind: str, *headers: str, method: str = "POST") -> bytes:
    return get(path, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, method=method) + body


PATHS = [
    "/static/../app/settings.py", "/static/..%2fapp%2fsettings.py", "/static/%2e%2e/app/settings.py",
    "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/static/..\\..\\etc\\passwd", "/static/%5c..%5c..%5cetc%5cpasswd",
    "/static/%252e%252e%252fetc%252fpasswd", "/static/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd", "/static//etc/passwd",
    "/static/%2fetc/passwd", "/static/....//....//etc/passwd", "/static/hone.css%00.html", "/static/\x7f", "/static/%",
    "/static/%zz", "/static/" + "a/" * 2000, "/static/" + "%2e%2e%2f" * 500 + "etc/passwd", "/static/.", "/static/..",
    "//evil.example/", "/\\evil.example", "/%2f%2fevil.example", "/sign-in?next=//evil.example",
    "/sign-in?next=https:evil.example", "/sign-in?next=/%0d%0aSet-Cookie:x=1", "/projects/{other}/../{own}/label",
    "/projects/{own}/..%2f{other}/settings", "/projects/{own}%2f..%2f{other}/settings", "/projects/{other};x/settings",
    "/projects/{other}%00/settings", "/projects/{other}%0a/settings", "/projects/ {other}/settings",
    "/projects/+{other}/settings", "/projects/{other}.0/settings", "/projects/0{other}/settings",
    "/projects/%EF%BC%91/settings", "/projects/%D9%A1/settings", "/PROJECTS/{other}/settings",
    "/projects//{other}/settings", "/projects/{other}/settings/", "/projects/{other}/settings/..;/",
    "/api/v1/projects/{other}", "/api/v1//projects/{other}", "/api/v1/../v1/projects/{other}",
    "/api/v1/projects/{other}%20",
    "/api/v1/projects/{other}/exports/file?format=../../etc/passwd", "/projects/{other}/models/1/file",
    "/projects/{own}/models/..%2f..%2f..%2fetc%2fpasswd/file", "/projects/{own}/runs/..%2f1/log",
    "/api/v1/projects/{other}/runs/1/log?octets=-1", "/%F0%9F%98%80", "/" + "%F0%9F%98%80" * 300, "/%ED%A0%80",
    "/%FF%FE",
    "/.git/config", "/.hone/secret_key", "/secret_key", "/sign-in/..%2f..%2faccount", "/invitations/%00",
]  # fmt: skip


def test_paths(scene):
    check(scene, [get(path) for path in PATHS])
    raw = [
        b"/\xff\xfe",
        b"/\xc0\xae\xc0\xae/etc/passwd",
        "/prøjects".encode(),
        b"/a\tb",
        b"/a b",
        b"*",
        b"?",
        b"#",
        b"",
    ]
    check(scene, [b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in raw])


DIGITS = "9" * 5_000
NUMBERS = ["0", "-1", "9" * 19, "9" * 40, DIGITS, "1e400", "1e5", "NaN", "Infinity", "-0.0", "0x10", "1_0", "١", "true",
           "%00", "%2b1", "1%201", "", "[]", "1;drop table user"]  # fmt: skip
COUNTED = ["/projects/{own}/runs/%s/events?after=0", "/projects/{own}/runs/events?x=%s",
"/projects/{own}/chat?before=%s",
           "/projects/{own}/labels/mine?before=%s", "/projects/{own}/label?assignment=%s",
           "/projects/{own}/label/undo?before=%s",
           "/api/v1/projects/{own}/chat/%s", "/api/v1/projects/{own}/labels/mine?before=%s", "/users?before=%s",
           "/projects/{other}/runs/1/events?after=%s", "/api/v1/projects/%s"]  # fmt: skip


def test_numbers(scene):
    check(scene, [get(path.replace("%s", quote(number, safe="%"))) for path in COUNTED for number in NUMBERS])


FORGED = [
    "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: ::1, 10.0.0.1", "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /admin", "X-Forwarded-User: Admin", "X-Real-IP: 127.0.0.1",
    "Forwarded: for=127.0.0.1;host=evil.example;proto=https", "X-Original-URL: /system", "X-Rewrite-URL: /system",
    "X-Remote-User: Admin", "REMOTE_USER: Admin", "X-Authenticated-Userid: 1", "X-Host: evil.example",
    "X-HTTP-Method-Override: DELETE", "X-Method-Override: PATCH", "X-Forwarded-Port: 443", "Via: 1.1 evil.example",
    "X-Forwarded-Server: evil.example", "X-Custom-IP-Authorization: 127.0.0.1", "Origin: https://evil.example",
    "Referer: https://evil.example/", "Sec-Fetch-Site: none", "X-Request-ID: a\tb<script>evil.example",
    "X-Request-ID: " + "a" * 5_000,
]  # fmt: skip


def test_forged_proxies_and_people(scene):
    for path in ("/system", "/users", "/projects/{other}/settings", "/api/v1/users", "/sign-in"):
        check(scene, [get(path, header) for header in FORGED])
    told = scene.server.send(get("/system", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"))
    assert told.status == 303
    assert "location: /sign-in?next=" in told.head.lower()


HOSTS = [
    "evil.example", "localhost.evil.example", "evil.example:8000", "localhost@evil.example", "evil.example#localhost",
    "127.0.0.1.nip.io", "[::2]", "[::ffff:10.0.0.1]", "[", "]", "[::1", "localhost:port", "localhost:99999", "",
    "a" * 5_000,
    "local host", "localhost,evil.example", "xn--lcalhost-x0a", "2130706433", "0x7f000001", "127.1", "%6cocalhost", ".",
]  # fmt: skip


def test_names_that_are_not_ours(scene):
    requests = [get(path, host=host) for host in HOSTS for path in ("/projects/{other}/settings", "/sign-in")]
    check(scene, requests)
    for host in HOSTS:
        if host not in ("localhost:99999", "localhost:port"):
            assert scene.server.send(get("/sign-in", host=host)).status == 400, host
    check(scene, [get("http://evil.example/sign-in"), b"GET /sign-in HTTP/1.1\r\n\r\n",
    b"GET /sign-in HTTP/1.0\r\n\r\n",
                  b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"])  # fmt: skip


def test_methods(scene):
    methods = [
        "TRACE",
        "CONNECT",
        "OPTIONS",
        "HEAD",
        "PUT",
        "DELETE",
        "PATCH",
        "PROPFIND",
        "get",
        "G",
        "GET\x00",
        "Ä",
        "SOURCE",
    ]
    check(scene, [get(path, method=method) for method in methods for path in ("/system", "/api/v1/projects/{other}")])
    form = "application/x-www-form-urlencoded"
    for override in ("?_method=DELETE", "?method=delete", "?X-HTTP-Method-Override=DELETE"):
        check(scene, [post(f"/api/v1/projects/{{other}}/members/1{override}", b"_method=DELETE", form)])


FORM, JSON = "application/x-www-form-urlencoded", "application/json"
BODIES = [
    (b"a" * 100, FORM), (b"%", FORM), (b"%zz=%zz", FORM), (b"a=1&" * 3_000, FORM), (b"=&=&=", FORM),
    (b"\xff\xfe=\xff", FORM),
    (b"name=%ED%A0%80", FORM), (b"name[]=1&name[a][b]=2&name=3", FORM), (b"csrf_token=a&csrf_token=b&name=x", FORM),
    (b"", "multipart/form-data"), (b"--x\r\n", "multipart/form-data; boundary=x"), (b"--x--",
    "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../etc/passwd\"\r\n\r\nhi\r\n--x--\r\n",
     "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data\r\n\r\nhi\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n\xff\r\n--x--\r\n",
    "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" * 2_000, "multipart/form-data; boundary=x"),
    (b"--\r\n\r\n", "multipart/form-data; boundary="), (b"x", "multipart/form-data; boundary=" + "b" * 3_000),
    (b"x", "multipart/form-data; charset=undefined; boundary=x"), (b"name=x", FORM + "; charset=utf-16"),
    (b"{", JSON), (b"[" * 200_000, JSON), (b'{"a":' * 100_000, JSON), (b"9" * 5_000, JSON), (b"NaN", JSON), (b"null",
    JSON),
    (b'"\\ud800"', JSON), (b'{"name": "\\ud800"}', JSON), (b"\xed\xa0\x80", JSON), (b"\xff\xfe{\x00}\x00", JSON),
    (b'{"name": 1, "name": 2}', JSON), (b'{"__proto__": {"is_admin": true}}', JSON),
    (b'{"is_admin": true, "name": "x"}', JSON),
    (b"{}", "text/plain"), (b"{}", "application/xml"), (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    "text/xml"),
    (b"{}", "application/json; charset=utf-7"), (b"{}", ""), (b"{}", "\x01"), (b"{}", "a" * 5_000), (b"{}", "json"),
    (b"{}", "application/vnd.api+json"), (b"\x1f\x8b\x08", JSON), (b"content=hi", "application/octet-stream"),
]  # fmt: skip
TARGETS = ["/sign-in", "/account", "/projects/new", "/projects/{own}/label", "/projects/{own}/chat",
"/projects/{other}/imports",
           "/api/v1/projects", "/api/v1/projects/{own}/chat", "/api/v1/projects/{own}/label",
           "/invitations/x"]  # fmt: skip


def test_bodies(scene):
    check(scene, [post(target, body, kind) for target in TARGETS for body, kind in BODIES])


def test_heads_and_conditions(scene):
    odd = [
        "Range: bytes=0-", "Range: bytes=-1", "Range: bytes=5-1", "Range: bytes=" + ",".join(["0-1"] * 500),
        "Range: lines=1",
        "Range: bytes=99999999999999999999-", "If-None-Match: *", 'If-None-Match: "' + "a" * 4_000, "If-Match: x",
        "If-Modified-Since: never", "If-Modified-Since: Thu, 01 Jan 99999 00:00:00 GMT", "If-Range: x",
        "Accept: " + ",".join(["*/*"] * 500), "Accept: \xff", "Accept-Language: ../../etc/passwd",
        "Accept-Encoding: x;q=NaN",
        "Expect: 100-continue", "Expect: evil", "Upgrade: websocket", "Connection: upgrade, close", "TE: trailers",
        "Authorization: Bearer", "Authorization: Bearer ", "Authorization: Basic YWRtaW46", "Authorization: \xff",
        "Authorization: Bearer \xe2\x82\xac", "Cookie: hone_session=", "Cookie: hone_session=\xff", "Cookie: =;;=;",
        "Cookie: hone_flash=e30.x", "Cookie: hone_flash=.", "Cookie: hone_session=" + "a" * 6_000, "Last-Event-ID: -1",
        "HX-Request: true", "HX-Request: true\r\nHX-Current-URL: https://evil.example/", "X-CSRF-Token: \xff",
        "X-CSRF-Token: ",
        "Content-Length: 0", "Priority: u=-1", "A" * 3_000 + ": x", "X-A: b\r\n continued",
    ]  # fmt: skip
    for path in ("/static/hone.css", "/system", "/projects/{other}/settings", "/projects/{own}/label"):
        check(scene, [get(path, header).replace("é".encode(), b"\xe9") for header in odd])


def test_requests_that_are_two(scene):
    """What one program reads as one request and another as two."""
    hidden = b"GET /projects/{other}/settings HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    ends = [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 64\r\n\r\n", b"Content-Length: 5, 5\r\n\r\nabcde",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: +5\r\n\r\nabcde", b"Content-Length: 5x\r\n\r\nabcde",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5;x=\"\r\n\"\r\nabcde\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\n\r\n", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\n\nabcde", b"\r\n", b"Content-Length: 0\r\n\r\n",
    ]  # fmt: skip
    check(scene, [head + end + hidden for end in ends])
    check(scene, [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /system\r\n\r\n",
    b"GET /system HTTP/9.9\r\nHost: localhost\r\n\r\n",
                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n\r\n\r\n",
                  b"GET  /system  HTTP/1.1\r\nHost: localhost\r\n\r\n"])  # fmt: skip


def test_other_sites_carry_nothing_out(scene):
    """The annotator's own cookie, sent by a page elsewhere or without the token of ours."""
    path, body = f"/projects/{scene.own}/chat", b"content=hi"
    bearer_like = ["Authorization: Basic x", "Authorization: bearerx", "Authorization: Bearerx y"]
    tries = [
        ["Origin: https://evil.example"], ["Origin: null"], ["Origin: http://localhost.evil.example"],
        ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"], ["Sec-Fetch-Site: evil"], ["Origin: http://localhost@evil.example"], [],
        ["X-CSRF-Token: x"],
        ["X-CSRF-Token: " + sign("csrf", "hone_session=somebody else")], ["X-CSRF-Token: " + sign("flash",
        scene.cookie)],
        *([header] for header in bearer_like),
    ]  # fmt: skip
    before = count()
    for headers in tries:
        token = (
            []
            if any(header.startswith("X-CSRF") for header in headers) or not headers
            else [f"X-CSRF-Token: {scene.csrf}"]
        )
        if headers and headers[0].startswith("Authorization"):
            token = []
        answer = scene.server.send(post(path, body, FORM, f"Cookie: {scene.cookie}", *headers, *token))
        assert answer.status == 403, (headers, answer.status)
    assert count() == before
