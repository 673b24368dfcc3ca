"""The rules of stage 4: what a reward model says of the project's responses. How one is trained is in method.py."""

from typing import Any

from sqlalchemy.orm import Session

from app.items import service as items
from app.models import Model, ModelKind, Project, Run, RunKind, ScoringConfig, Snapshot, Split, TextToScore, User
from app.models.documents import Agreement, Report, RunSummary
from app.registry import service as registry
from app.rewards import queries, report, snapshot_queries, snapshots
from app.runs import queries as runs_queries
from app.runs import service as runs
from app.web.errors import NotFound

OPEN_ITEMS_SCORED = 2000
FIRST_TRAINING = 60  # labels from which on a first reward model is worth its time


def new_labels(session: Session, project: Project) -> int:
    """Labels that the last snapshot does not have yet."""
    return snapshot_queries.new_labels(session, [project.id])[project.id]


def score_responses(session: Session, model: Model, actor: User | None = None) -> Run:
    """Queue the scoring of labelled and waiting responses; the model's page and the live head need it."""
    project = session.get_one(Project, model.project_id)
    return runs.create(session, project, ScoringConfig(), model=model, created_by=actor, automatic=actor is None)


def score_text(session: Session, actor: User, model: Model, prompt: str, response: str) -> Run:
    """Queue the scoring of one answer written by hand; the score is in the run's summary."""
    registry.artifact_path(model)
    text = TextToScore(prompt=[{"role": "user", "content": prompt}], response=response)
    project = session.get_one(Project, model.project_id)
    return runs.create(session, project, ScoringConfig(texts=[text]), model=model, created_by=actor)


def rows_to_score(session: Session, run: Run) -> list[dict[str, Any]]:
    """What the scoring command gets: the texts given by hand, or every response that the model has not scored yet."""
    if (texts := run.asked(ScoringConfig).texts) is not None:
        return [text.model_dump() for text in texts]
    found = queries.responses_to_score(session, runs.project_of(run), run.model_id, OPEN_ITEMS_SCORED)
    return [{"response_id": row.id, "prompt": row.messages, "response": row.text} for row in found]


def add_scores(session: Session, run: Run, rows: list[dict[str, Any]]) -> RunSummary:
    """Keep the scores of a scoring run, and what follows from them: the model's report.

    Returns the run's summary, which is also set on the run. Rows without a score are counted, never guessed.
    """
    scored = [row for row in rows if row.get("score") is not None]
    summary: RunSummary = {"rows": len(rows), "scored": len(scored)}
    if run.asked(ScoringConfig).texts is not None:
        summary["scores"] = [
            {"score": row.get("score"), "score_std": row.get("score_std"), "error": row.get("score_error")}
            for row in rows
        ]
    else:
        values = [
            {"response_id": row["response_id"], "score": row["score"], "spread": row.get("score_std")} for row in scored
        ]
        queries.add_scores(session, run.model_id, values)
        model = session.get_one(Model, run.model_id)
        model.metrics = {**model.metrics, "report": build_report(session, model)}
    run.summary = summary
    session.flush()
    return summary


def build_report(session: Session, model: Model) -> Report:
    """How the model does against all current labels whose answers it has scored.

    Labels of prompts that chose its checkpoint count as little as those it learned from.
    """
    if model.project_id is None:
        raise ValueError("a reward model belongs to a project")
    rows = list(queries.judged_preferences(session, model.project_id, model.id, question_of(model)))
    held_out = [row for row in rows if row.split is Split.HOLDOUT]
    chosen = bool(model.metrics.get("choosing_pairs")) and not all(row.chooses for row in held_out)
    return report.build(
        [
            report.Judged(
                label_id=row.label_id,
                prompt_id=row.prompt_id,
                item_id=row.item_id,
                annotator_id=row.rater,
                places=(row.first, row.second),
                outcome=row.outcome,
                holdout=row.split is Split.HOLDOUT and not (chosen and row.chooses),
                difference=row.score_first - row.score_second,
                tokens=_longer(row),
            )
            for row in rows
        ]
    )


def report_anew(session: Session, model: Model) -> None:
    """Build the report of a model that has one from the labels there are now."""
    if "report" in model.metrics:
        model.metrics = {**model.metrics, "report": build_report(session, model)}


def _longer(row: Any) -> int | None:
    """How many tokens the first response has more than the second; None where one has no count."""
    if row.tokens_first is None or row.tokens_second is None:
        return None
    return int(row.tokens_first - row.tokens_second)


def question_of(model: Model) -> str:
    """The question whose choices the model has learned from; empty: the main one."""
    return model.metrics.get("question", "")


def ask_again(session: Session, project: Project, actor: User, item_id: int) -> None:
    """Send a pair to one more person, soon."""
    items.ask_soon(session, project, actor, items.get(session, project, item_id))


def get(session: Session, project: Project, model_id: int) -> Model:
    """A reward model of the project."""
    model = session.get(Model, model_id)
    if model is None or model.project_id != project.id or model.kind is not ModelKind.REWARD:
        raise NotFound()
    return model


def snapshot_of(session: Session, project: Project, snapshot_id: int) -> Snapshot:
    """A snapshot of the project."""
    found = session.get(Snapshot, snapshot_id)
    if found is None or found.project_id != project.id:
        raise NotFound(f"There is no snapshot {snapshot_id} in this project.")
    return found


def ceiling(models: list[Model]) -> Agreement | None:
    """How often two people agree, as the newest report that could tell has it: no model can be held to more."""
    for model in models:
        report = model.metrics.get("report")
        if report and report["agreement"]["comparisons"]:
            return report["agreement"]
    return None


def label_counts(session: Session, project: Project) -> dict[str, Any]:
    """Usable pairs on either side and "both bad" labels, as of the last snapshot where there is one (counting 300,000
    labels anew for a page would be slow; a training counts them itself), and the labels that have come since."""
    latest = snapshot_queries.latest_snapshot(session, project.id)
    if latest is not None:
        train, holdout, both_bad = latest.train_pair_count, latest.holdout_pair_count, None
    else:
        found = snapshot_queries.usable_counts(session, project.id)
        train, holdout, both_bad = found.train, found.holdout, found.both_bad
    return {
        "train": train,
        "holdout": holdout,
        "both_bad": both_bad,
        "new": new_labels(session, project),
        "least_train": snapshots.MIN_TRAIN_PAIRS,
        "least_holdout": snapshots.MIN_HOLDOUT_PAIRS,
    }


def scoring_run(session: Session, model: Model) -> Run | None:
    """The scoring of a model's answers that is under way."""
    if model.project_id is None:
        return None
    active = runs_queries.active(session, model.project_id, RunKind.SCORING)
    return next((run for run in active if run.model_id == model.id), None)
