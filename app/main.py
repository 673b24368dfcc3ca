"""create_app(): mounts every stage's pages and calls, denies what declares no access, and frames every response."""

import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app import async_db, extensions, logs
from app.accounts.api import router as accounts_api
from app.accounts.dependencies import maybe_signed_in
from app.accounts.routes import router as accounts
from app.accounts.scopes import needed
from app.catalog.api import router as catalog_api
from app.catalog.routes import router as catalog
from app.chat import writing
from app.chat.api import router as chat_api
from app.chat.routes import router as chat
from app.erasing.api import router as erasing_api
from app.erasing.routes import router as erasing
from app.exports.api import router as exports_api
from app.exports.routes import router as exports
from app.flags.api import router as flags_api
from app.flags.routes import router as flags
from app.home.api import router as home_api
from app.home.new_project import api as new_project_api
from app.home.new_project import router as new_project
from app.home.routes import router as home
from app.imports.api import router as imports_api
from app.imports.routes import router as imports
from app.items.api import router as items_api
from app.items.routes import router as items
from app.labels.api import router as labels_api
from app.labels.routes import router as labels
from app.monitoring.routes import router as monitoring
from app.policies.api import router as policies_api
from app.policies.routes import router as policies
from app.projects.api import router as projects_api
from app.projects.routes import router as projects
from app.prompts.api import router as prompts_api
from app.prompts.routes import router as prompts
from app.registry.endpoint_api import router as endpoints_api
from app.registry.endpoint_routes import router as endpoints
from app.resources import STATIC
from app.rewards.api import router as rewards_api
from app.rewards.routes import router as rewards
from app.runs.api import router as runs_api
from app.runs.routes import router as runs
from app.runs.training_routes import router as training
from app.settings import get_settings
from app.web import api_docs, csrf, guard, problems
from app.web.assets import Assets
from app.web.middleware import Frame
from app.web.routing import CALLS as API
from app.web.shortcuts import Shortcuts

# Routes are tried in turn: what annotators do all day comes first. `new_project` stands before `home`: /projects/new is
# no project's id; and `items`, which do things to many prompts, before `prompts`: /prompts/bulk is no prompt's.
PAGES = (
    labels, accounts, new_project, projects, items, prompts, imports, flags, exports, rewards, policies, training, runs,
    chat, catalog, endpoints, erasing, monitoring, home,
)  # fmt: skip
CALLS = (
    accounts_api, new_project_api, projects_api, prompts_api, imports_api, items_api, labels_api, flags_api,
    exports_api, rewards_api, policies_api, runs_api, chat_api, catalog_api, endpoints_api, erasing_api,
    home_api,
)  # fmt: skip
MAX_BODY = 2 * 2**20  # bytes; a route that takes uploads sets its own `max_body_size`


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Set the interpreter up for many short requests, and logging unless whoever runs the application has. In the end,
    close what the event loop has open."""
    # The loop asks for the interpreter after each of its waits; Python's 5 ms until a busy thread lets go are an age.
    sys.setswitchinterval(0.0005)
    # What is loaded stays, and requests leave little behind that only the collector can free; by default it comes by
    # for every 700 new objects, a twelfth of a labelling cycle's processor time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    logs.configure()
    for noisy in ("httpx", "httpcore"):  # they would log the addresses of the inference server at every request
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # the request that got no connection says so
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a form that is none has its line of access
    try:
        yield
    finally:
        await writing.stop_all()
        await async_db.close()


def create_app() -> FastAPI:
    """The web application. Opens nothing: the database and Redis are reached by the first request that needs them."""
    extensions.load()
    app = api_docs.Documented(
        title="Hone",
        scopes=needed,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(csrf.protect)],
        lifespan=lifespan,
    )
    app.include_router(api_docs.router, include_in_schema=False, dependencies=[Depends(maybe_signed_in)])
    for router in PAGES:
        app.include_router(router, include_in_schema=False, max_body_size=MAX_BODY)
    for router in CALLS:
        app.include_router(router, prefix=API.rstrip("/"), max_body_size=MAX_BODY, responses=api_docs.FAILURES)
    app.mount("/static", Assets(directory=STATIC), name="static")
    problems.install(app)
    app.add_middleware(Shortcuts)
    app.add_middleware(Frame)
    # Nobody's word on where a request comes from counts but that of a named proxy; the server's own trust in the
    # loopback interface is off (`workers.platform.children`).
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=get_settings().proxies)
    guard.refuse_open_routes(app)
    return app


app = create_app()
