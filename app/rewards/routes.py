"""The pages of reward models: the list with the form that starts a training, and what one model has learned."""

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from app.models import ModelKind, RunKind
from app.projects.dependencies import Manager
from app.registry import queries as registry
from app.rewards import queries, service, views
from app.rewards.forms import ScoreForm
from app.runs import queries as runs_queries
from app.runs import service as runs
from app.runs import views as run_views
from app.runs.training_routes import offered
from app.web.addresses import Named
from app.web.dependencies import Db, RowId, Submitted
from app.web.forms import parse
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()
SHOWN = 20  # of the disputed labels


@router.get("/projects/{project_id}/rewards")
def list_rewards(request: Request, session: Db, access: Manager) -> HTMLResponse:
    """All reward models, and how the next one is trained."""
    project = access.project
    models = registry.newest(session, project.id, ModelKind.REWARD)
    learned = [model for model in models if not service.question_of(model)]  # one curve: of the main question
    return render(
        request,
        "rewards/list.html",
        project=project,
        models=models,
        ceiling=(ceiling := service.ceiling(learned)),
        curve=views.learning_curve(learned, ceiling),
        counts=service.label_counts(session, project),
        active=run_views.making(runs_queries.active(session, project.id, RunKind.TRAINING), ModelKind.REWARD),
        methods=offered(session, project, ModelKind.REWARD),
        views=run_views,
    )


@router.get("/projects/{project_id}/rewards/{model_id}")
def show_reward(request: Request, session: Db, access: Manager, model_id: RowId, scored: Named = None) -> HTMLResponse:
    """What a reward model has learned, against the labels."""
    model = service.get(session, access.project, model_id)
    report = model.metrics.get("report")
    disputed = {each["label_id"]: each["gap"] for each in report["disputed"]} if report else {}
    labels = queries.labels_by_id(session, list(disputed)[:SHOWN])
    question = service.question_of(model)
    return render(
        request,
        "rewards/show.html",
        model=model,
        run=runs_queries.get(session, model.run_id) if model.run_id else None,
        report=report,
        calibration=views.calibration(report["calibration"]) if report else None,
        longer_by=views.longer_by,
        names=queries.names_of(session, [row["annotator_id"] for row in report["by_annotator"]]) if report else {},
        question=question,
        disputed=sorted(
            (
                (disputed[label.id], label, stated)
                for label in labels
                for stated in label.preferences
                if stated.question == question
            ),
            key=lambda each: -each[0],
        ),
        scoring=service.scoring_run(session, model),
        scored=runs.get(session, access.project, scored) if scored else None,
        views=run_views,
    )


@router.post("/projects/{project_id}/rewards/{model_id}/scores")
def score_again(session: Db, access: Manager, model_id: RowId) -> Response:
    """Score the responses that came since, and measure again."""
    model = service.get(session, access.project, model_id)
    run = service.score_responses(session, model, access.user)
    return redirect(f"/projects/{access.project.id}/rewards/{model.id}", f"Run {run.id} scores the answers.")


@router.post("/projects/{project_id}/rewards/{model_id}/score")
def score_text(session: Db, access: Manager, form: Submitted, model_id: RowId) -> Response:
    """Score one answer written by hand."""
    model = service.get(session, access.project, model_id)
    text = parse(ScoreForm, form)
    run = service.score_text(session, access.user, model, text.prompt, text.response)
    return redirect(f"/projects/{access.project.id}/rewards/{model.id}?scored={run.id}#by-hand")


@router.post("/projects/{project_id}/rewards/{model_id}/disputed/{item_id}")
def ask_again(session: Db, access: Manager, model_id: RowId, item_id: RowId) -> Response:
    """Send a disputed pair to one more person."""
    model = service.get(session, access.project, model_id)
    service.ask_again(session, access.project, access.user, item_id)
    place = f"/projects/{access.project.id}/rewards/{model.id}#disputed"
    return redirect(place, "The pair goes to one more person.")
