"""create_app(): mounts every stage's routes, denies what declares no access, and frames every answer."""

from importlib import import_module
from importlib.util import find_spec

from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles

from app.accounts.dependencies import maybe_signed_in
from app.home import new_project
from app.web import api_docs, csrf, guard, problems
from app.web.middleware import Frame
from app.web.render import ROOT

STAGES = (
    "accounts", "projects", "prompts", "pairs", "labels", "rewards", "policies", "runs", "chat", "home",
)  # fmt: skip
API = "/api/v1"
MAX_BODY = 2 * 2**20  # a route that takes uploads sets its own `max_body_size`


def create_app() -> FastAPI:
    """The web application. Opens nothing: the database and Redis are reached by the first request that needs them."""
    app = FastAPI(
        title="Hone",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        separate_input_output_schemas=False,
        dependencies=[Depends(csrf.protect)],
    )
    app.include_router(api_docs.router, include_in_schema=False, dependencies=[Depends(maybe_signed_in)])
    app.include_router(
        new_project.router, include_in_schema=False, max_body_size=MAX_BODY
    )  # before /projects/{project_id}
    app.include_router(new_project.api, prefix=API, max_body_size=MAX_BODY)
    for stage in STAGES:
        if find_spec(f"app.{stage}.routes"):
            app.include_router(
                import_module(f"app.{stage}.routes").router, include_in_schema=False, max_body_size=MAX_BODY
            )
        if find_spec(f"app.{stage}.api"):
            app.include_router(import_module(f"app.{stage}.api").router, prefix=API, max_body_size=MAX_BODY)
    app.mount("/static", StaticFiles(directory=ROOT / "static"), name="static")
    problems.install(app)
    app.add_middleware(Frame)
    guard.refuse_open_routes(app)
    return app


app = create_app()
