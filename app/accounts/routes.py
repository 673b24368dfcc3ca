"""Sign-in and one's own account."""

from typing import Any

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from app.accounts import admin_routes, attempts, devices, forms, health_routes, queries, service, sessions
from app.accounts.dependencies import SignedIn, Visitor
from app.accounts.scopes import MEANS, Scope
from app.models import User
from app.settings import get_settings
from app.web import rate_limits, seen
from app.web.csrf import SESSION_COOKIE, VISITOR_COOKIE
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Conflict, Invalid, NotFound
from app.web.filters import plural
from app.web.forms import parse, typed
from app.web.guard import public
from app.web.render import local_path, redirect, render
from app.web.routing import Router
from app.web.signing import digest

router = Router()
router.include_router(health_routes.router)
router.include_router(admin_routes.router)

_WRONG = "Wrong e-mail or password."


def signed_in_redirect(
    request: Request, session: Session, user: User, how: str, url: str, flash: str | None = None
) -> Response:
    """Sign this browser in as `user` and go on to `url`. For `how` see `sessions.start`."""
    device = devices.named(request.headers.get("user-agent", ""))
    token, response = sessions.start(session, user, how, device), redirect(url, flash)
    attempts.remember_browser(request, response, user)
    response.delete_cookie(VISITOR_COOKIE)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=sessions.DAYS * 86400,
        httponly=True,
        samesite="lax",
        secure=get_settings().secure_cookies,
    )
    return response


@router.get("/sign-in")
def show_sign_in(request: Request, user: Visitor, next: str = "/") -> Response:
    """The sign-in form."""
    if user is not None:
        return redirect(local_path(next))
    return render(request, "accounts/sign_in.html", values={"email": "", "next": local_path(next)}, errors={})


@router.post("/sign-in", dependencies=[Depends(public)])
def sign_in(request: Request, session: Db, form: Submitted) -> Response:
    """Check e-mail and password, and start a session."""
    try:
        values = parse(forms.SignInForm, form)
        user = attempts.check(request, session, values.email, values.password)
        if user is None:
            raise Invalid(_WRONG, "password")
    except Invalid as refusal:
        shown = {"email": form.get("email", ""), "next": local_path(str(form.get("next", "/")))}
        return render(request, "accounts/sign_in.html", status=422, values=shown, errors=refusal.errors)
    return signed_in_redirect(request, session, user, "password", local_path(values.next))


@router.get("/sign-in/{token}", dependencies=[Depends(public)])
def show_link(request: Request, session: Db, token: str) -> Response:
    """Ask for a click: what previews links must not use this one up."""
    usable = service.link_is_open(session, token)
    return render(request, "accounts/link.html", status=200 if usable else 404, usable=usable)


@router.post("/sign-in/{token}", dependencies=[Depends(public)])
def use_link(request: Request, session: Db, token: str) -> Response:
    """Sign in with a one-time link."""
    rate_limits.hit(attempts.PER_ADDRESS, "link", rate_limits.address(request))
    user = service.use_link(session, token)
    flash = (
        None if user.password_hash else "You are signed in. Set a password here, to sign in without a link next time."
    )
    return signed_in_redirect(request, session, user, "link", "/" if user.password_hash else "/account", flash)


@router.post("/sign-out")
def sign_out(request: Request, session: Db, user: Visitor) -> Response:
    """End this browser's session."""
    if token := request.cookies.get(SESSION_COOKIE):
        sessions.end(session, token)
    response = redirect("/sign-in", "You are signed out.")
    response.delete_cookie(SESSION_COOKIE)
    return response


def _account(request: Request, session: Db, user: User, status: int = 200, **over: Any) -> Response:
    context: dict[str, Any] = {
        "user": user,
        "values": {"name": user.name, "email": user.email},
        "errors": {},
        "tokens": queries.tokens(session, user.id),
        "token": {"token_name": "", "scopes": [Scope.READ], "expires": str(service.TOKEN_DAYS)},
        "scopes": {scope: says for scope, says in MEANS.items() if scope is not Scope.ADMIN or user.is_admin},
        "sessions": sessions.of(session, user.id),
        "present": digest(request.cookies.get(SESSION_COOKIE, "")),
        "new_token": None,
    }
    return render(request, "accounts/account.html", status=status, **(context | over))


@router.get("/account")
def show_account(request: Request, session: Db, user: SignedIn) -> Response:
    """Name, password, sessions, API tokens."""
    return _account(request, session, user)


@router.post("/account")
def change_profile(request: Request, session: Db, user: SignedIn, form: Submitted) -> Response:
    """Change name and e-mail."""
    try:
        seen.require(form, {"name": user.name, "email": user.email})
        values = parse(forms.ProfileForm, form)
        service.change_profile(session, user, values.name, values.email)
    except Invalid as refusal:
        said = typed(forms.ProfileForm, form)
        return _account(request, session, user, refusal.status, values=said, errors=refusal.errors)
    return redirect("/account", "Saved.")


@router.post("/account/password")
def change_password(request: Request, session: Db, user: SignedIn, form: Submitted) -> Response:
    """Set or change the password."""
    try:
        values = parse(forms.PasswordForm, form)
        attempts.require_current(request, session, user, values.current)
        service.change_password(session, user, values.new, request.cookies.get(SESSION_COOKIE))
    except Invalid as refusal:
        return _account(request, session, user, 422, errors=refusal.errors)
    return redirect("/account", "Your password is set. Other browsers are signed out, and your API tokens are void.")


@router.post("/account/sign-out-elsewhere")
def sign_out_elsewhere(request: Request, session: Db, user: SignedIn) -> Response:
    """End every session but this one."""
    ended = sessions.end_others(session, user, request.cookies.get(SESSION_COOKIE))
    return redirect("/account#sessions", f"Signed out in {plural(ended, 'other browser')}.")


@router.post("/account/sessions/{session_id}/end")
def end_session(session: Db, user: SignedIn, session_id: RowId) -> Response:
    """Sign one browser out."""
    try:
        sessions.end_one(session, user, session_id)
    except NotFound as ended:  # the page was older, or the button pressed twice
        return redirect("/account#sessions", ended.message)
    return redirect("/account#sessions", "That browser is signed out.")


@router.post("/account/tokens")
def create_token(request: Request, session: Db, user: SignedIn, form: Submitted) -> Response:
    """Make an API token. It is in this response and nowhere else, so there is no redirect."""
    try:
        values = parse(forms.NewTokenForm, form)
        _, text = service.create_token(session, user, values.token_name, values.scopes, values.days)
    except (Invalid, Conflict) as refusal:
        errors = refusal.errors or {"token_name": refusal.message}
        typed_token = typed(forms.NewTokenForm, form) | {"scopes": form.getlist("scopes")}
        return _account(request, session, user, refusal.status, errors=errors, token=typed_token)
    return _account(request, session, user, 201, new_token=text)


@router.post("/account/tokens/{token_id}/revoke")
def revoke_token(session: Db, user: SignedIn, token_id: RowId) -> Response:
    """Make an API token useless."""
    service.revoke_token(session, user, token_id)
    return redirect("/account", "The token is revoked.")
