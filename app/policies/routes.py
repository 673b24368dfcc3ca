"""The pages of policies: the family tree, PPO, blind evaluation, promotion, roll-back."""

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from app.models import Model, ModelKind, ModelState, RunKind
from app.policies import evaluations, measures, queries, results, service, standings, tree
from app.policies.forms import EvaluationForm, LabelsForm, PromotionForm
from app.projects.dependencies import Access, Manager
from app.registry import answering
from app.registry import queries as registry_queries
from app.registry import service as registry
from app.runs import queries as runs_queries
from app.runs import service as runs
from app.runs import views as run_views
from app.runs.training_routes import offered
from app.web.addresses import Before, Named
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid, NotFound
from app.web.filters import plural
from app.web.forms import parse
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()
RESPONSES_SHOWN = 20


@router.get("/projects/{project_id}/policies")
def list_policies(request: Request, session: Db, access: Manager) -> HTMLResponse:
    """All policies, and how the next one is trained."""
    project, current = access.project, service.current_policy(access.project)
    policies = registry_queries.newest(session, project.id, ModelKind.POLICY)[::-1]
    compared = [
        (run, pair)
        for run in queries.comparisons(session, project.id, limit=10)
        for pair in results.of_model(session, run, run.model)
    ]
    return render(
        request,
        "policies/list.html",
        project=project,
        current=current,
        policies=policies,
        tree=tree.branches(project.base_model, policies),
        frontier=tree.reward_against_kl(policies),
        evaluations=compared,
        leaderboard=standings.leaderboard(policies, project.base_model, current, [pair for _, pair in compared]),
        promotions=standings.promotions(session, project.id),
        active=run_views.making(runs_queries.active(session, project.id, RunKind.TRAINING), ModelKind.POLICY),
        methods=offered(session, project, ModelKind.POLICY),
        views=run_views,
    )


@router.get("/projects/{project_id}/policies/compare")
def compare_policies(request: Request, session: Db, access: Manager, labels: Named = None) -> HTMLResponse:
    """Policies that learned from the same labels, by whatever method, side by side."""
    project = access.project
    choices = measures.snapshots(session, project)
    return render(
        request,
        "policies/compare.html",
        project=project,
        table=measures.table(session, project, labels),
        choices=[(each.id, f"{each.id}: {plural(each.label_count, 'label')}") for each in choices],
    )


@router.post("/projects/{project_id}/policies/compare")
def measure_policies(session: Db, access: Manager, form: Submitted) -> Response:
    """Have a reward model score what all of them respond to the same holdout prompts."""
    run = measures.start(session, access.project, access.user, parse(LabelsForm, form).labels)
    return redirect(f"/projects/{access.project.id}/runs/{run.id}", f"Run {run.id} measures the policies.")


@router.post("/projects/{project_id}/policies/roll-back")
def roll_back(session: Db, access: Manager) -> Response:
    """Go back to the policy that was the current one before."""
    project = service.roll_back(session, access.project, access.user)
    return redirect(
        f"/projects/{project.id}/policies",
        f"{service.current_policy(project).name} is the current policy again.",
        kind="warn",
    )


@router.get("/projects/{project_id}/policies/{model_id}")
def show_policy(request: Request, session: Db, access: Manager, model_id: RowId) -> HTMLResponse:
    """One policy: where it comes from, how it did, what may be done with it."""
    return _show(request, session, access, service.get(session, access.project, model_id))


def _show(
    request: Request,
    session: Db,
    access: Access,
    model: Model,
    *,
    errors: dict[str, str] | None = None,
    must_confirm: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    project = access.project
    current = service.current_policy(project)
    compared = queries.comparisons(session, project.id, model.id, limit=10)
    policies = registry_queries.newest(session, project.id, ModelKind.POLICY)[::-1]
    return render(
        request,
        "policies/show.html",
        status=status,
        project=project,
        model=model,
        current=current,
        lineage=registry.lineage(session, model),
        run=runs_queries.get(session, model.run_id) if model.run_id else None,
        evaluations=[(run, pair) for run in compared for pair in results.of_model(session, run, model)],
        samples=standings.before_after(session, model, project.base_model, compared),
        frontier=tree.reward_against_kl(policies, chosen=model) if "kl" in model.metrics else None,
        promotions=standings.promotions(session, project.id, model.id),
        opponents=[
            (each.id, f"{each.name} (current policy)" if each.id == current.id else each.name)
            for each in answering.choices(session, project)
            if each.id != model.id and each.state is ModelState.READY
        ],
        usable=registry.is_usable(model),
        errors=errors or {},
        must_confirm=must_confirm,
        views=run_views,
    )


@router.post("/projects/{project_id}/policies/{model_id}/evaluations")
def start_evaluation(request: Request, session: Db, access: Manager, form: Submitted, model_id: RowId) -> Response:
    """Send items of this policy and another to the annotators."""
    model = service.get(session, access.project, model_id)
    try:
        wanted = parse(EvaluationForm, form)
        others = service.opponents(session, access.project, wanted)
        run = evaluations.start_evaluation(
            session, access.project, access.user, model, others, wanted.comparisons, wanted.overlap
        )
    except Invalid as invalid:
        errors = invalid.errors or {"form": invalid.message}
        return _show(request, session, access, model, errors=errors, status=invalid.status)
    return redirect(
        f"/projects/{access.project.id}/policies/evaluations/{run.id}",
        "All of them answer holdout prompts now; the answers then go to the annotators.",
    )


@router.get("/projects/{project_id}/policies/evaluations/{run_id}")
def show_evaluation(
    request: Request, session: Db, access: Manager, run_id: RowId, before: Before = None
) -> HTMLResponse:
    """The result so far, and the responses side by side."""
    run = runs.get(session, access.project, run_id)
    if run.kind is not RunKind.EVALUATION:
        raise NotFound()
    items = queries.evaluation_items(session, run.id, before, RESPONSES_SHOWN)
    return render(
        request,
        "policies/evaluation.html",
        run=run,
        models=evaluations.models_of(session, run),
        pairs=results.of_each_two(session, run),
        responses=results.side_by_side(session, run, items.items),
        before=items.before,
        views=run_views,
    )


@router.post("/projects/{project_id}/policies/{model_id}/promote")
def promote(request: Request, session: Db, access: Manager, form: Submitted, model_id: RowId) -> Response:
    """Make this the current policy; asks once more where nothing speaks for it."""
    model = service.get(session, access.project, model_id)
    confirmed = parse(PromotionForm, form).confirm_without_evaluation
    doubt = service.doubt(session, access.project, model)
    if doubt and not confirmed:
        return _show(request, session, access, model, must_confirm=doubt, status=409)
    service.promote(session, access.project, access.user, model, confirmed)
    return redirect(
        f"/projects/{access.project.id}/policies/{model.id}",
        f"{model.name} is the current policy: chat and sampling answer with it from now on.",
    )
