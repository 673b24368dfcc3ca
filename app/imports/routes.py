"""Pages of imports: a file is looked at, read as the page says, and imported; what became of it, and back again."""

from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

import formats
from app.imports import files, incoming, queries, service, views
from app.imports.forms import HubImport, ImportForm
from app.models import Run
from app.projects.dependencies import Access, Manager, ManagingAdmin
from app.runs import views as run_views
from app.web.addresses import Before
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid, Refused
from app.web.forms import parse, typed
from app.web.pages import page
from app.web.render import redirect, render
from app.web.routing import Router
from app.web.slots import SlottedDownload

router = Router()


@router.get("/projects/{project_id}/imports")
def show_imports(request: Request, session: Db, access: Manager, before: Before = None) -> Response:
    """The form to choose a file, and the imports there were."""
    return _list(request, session, access, before=before)


def _list(
    request: Request, session: Session, access: Access, status: int = 200, before: int | None = None, **over: Any
) -> Response:
    found = page(session, queries.runs(access.project.id), Run.id, before, 20)
    shown: dict[str, Any] = {
        "runs": found, "views": run_views, "given": ImportForm(), "error": None, "hub": {}, "errors": {},
        "may_fetch": access.user.is_admin,
    }  # fmt: skip
    return render(request, "imports/list.html", status=status, section="imports", **(shown | over))


@router.post("/projects/{project_id}/imports", max_body_size=files.MAX_UPLOAD + 2**20)
def import_file(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Look at a file, or import it: the file itself comes once, after that its digest does."""
    given = ImportForm.model_construct(text=str(form.get("text") or ""))
    try:
        given = parse(ImportForm, _without_file(form))
        found = incoming.received(session, access.project, form, given.text)
        if found is None and not given.file:
            raise Invalid("Choose a file, or paste text.", "file")
        if found is not None:
            address, given.name = found
            given.file, given.text = address.rsplit("/", 1)[1], ""
        config = incoming.asked(given, files.address(access.project.id, given.file), given.name)
        if given.action == "import":
            run = service.start(session, access.project, access.user, config)
            return redirect(f"/projects/{access.project.id}/imports/{run.id}")
        given.what = config.what
        seen = views.seen(incoming.looked_at(session, access.project, config), config.what, access.project.answer)
        return _look(request, given, seen=seen)
    except formats.UnknownLayout as error:
        return _look(request, given, status=422 if given.action == "import" else 200, unmapped=incoming.unmapped(error))
    except Refused as refusal:
        if given.file:
            columns = incoming.columns(given, files.address(access.project.id, given.file)) if given.mapping else []
            return _look(request, given, status=refusal.status, error=refusal.message, columns=columns)
        return _list(request, session, access, status=refusal.status, error=refusal.message, given=given)


@router.post("/projects/{project_id}/imports/hub")
def import_from_hub(request: Request, session: Db, access: ManagingAdmin, form: Submitted) -> Response:
    """Import a data set of the hub."""
    try:
        run = service.start_from_hub(session, access.project, access.user, parse(HubImport, form))
    except Invalid as refusal:
        return _list(request, session, access, status=refusal.status, hub=typed(HubImport, form), errors=refusal.errors)
    fetched = f"{service.config_of(run).hub} is being fetched."
    return redirect(f"/projects/{access.project.id}/imports/{run.id}", fetched)


@router.get("/projects/{project_id}/imports/{run_id}")
def show_import(request: Request, session: Db, access: Manager, run_id: RowId) -> Response:
    """One import: how far it is, what it made, what it refused."""
    run = service.get(session, access.project, run_id)
    return render(
        request,
        "imports/show.html",
        section="imports",
        run=run,
        views=run_views,
        metrics=[],
        config=service.config_of(run),
        counts=queries.counts(session, run.id),
        refused=queries.refused(session, run.id, views.SHOWN),
        undone=queries.undone_by(session, access.project.id, run.id),
    )


@router.get("/projects/{project_id}/imports/{run_id}/refused")
def download_refused(session: Db, access: Manager, run_id: RowId) -> SlottedDownload:
    """The refused rows as JSON Lines: line, reason, and the row itself."""
    return views.refused_file(service.get(session, access.project, run_id))


@router.post("/projects/{project_id}/imports/{run_id}/rest")
def import_rest(session: Db, access: Manager, run_id: RowId) -> Response:
    """Import the rows that are good."""
    run = service.import_rest(session, access.project, access.user, service.get(session, access.project, run_id))
    return redirect(f"/projects/{access.project.id}/imports/{run.id}", "The rest is being imported.")


@router.post("/projects/{project_id}/imports/{run_id}/undo")
def undo_import(session: Db, access: Manager, run_id: RowId) -> Response:
    """Take out what the import has brought."""
    run = service.get(session, access.project, run_id)
    undoing = service.undo(session, access.project, access.user, run)
    return redirect(f"/projects/{access.project.id}/imports/{run.id}", f"Run {undoing.id} takes out what it brought.")


def _without_file(form: Any) -> Any:
    """The form's texts: a file under a field's name is none of them."""
    return type(form)([(name, value) for name, value in form.multi_items() if isinstance(value, str)])


def _look(request: Request, given: ImportForm, status: int = 200, **more: Any) -> Response:
    layouts = sorted((layout.name, layout.title) for layout in formats.LAYOUTS.values())
    shown = {"seen": None, "unmapped": None, "error": None, "columns": [], **more}
    targets = list(formats.TARGETS)
    return render(
        request, "imports/look.html", status=status, section="imports", given=given, layouts=layouts, targets=targets,
        **shown,
    )  # fmt: skip
