"""A made-up method of training, as an extension would bring one, and its command: `python -m tests.stirring`."""

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import yaml
from sqlalchemy.orm import Session

from app.methods import Chart, Data, Inputs, Method, MethodForm, Standing, schema
from app.models import Model, ModelKind, Project, Run
from app.models.documents import RunSummary
from app.registry import service as registry
from rlhf.config import run_cli

SCHEMA = {
    "properties": {
        "model": {"title": "Model", "description": "A folder.", "type": "string", "x-group": "local"},
        "rounds": {
            "title": "Rounds", "description": "How often it stirs.", "type": "integer", "minimum": 1, "maximum": 9,
            "default": 3, "x-unit": "turns", "x-group": "main",
        },
        "rest": {
            "title": "Rest", "description": "Rounds that it rests.", "type": "integer", "minimum": 0, "maximum": 9,
            "default": 1, "x-group": "advanced",
        },
    },
    "x-rules": [{"field": "rest", "at_most": "rounds", "message": "It cannot rest longer than it stirs."}],
}  # fmt: skip


class Stirring(Method):
    """Made up for these tests."""

    name = "stir"
    title = "Stirring"
    verb = "Stir a policy"
    help = "Stirs the weights."
    needs = "A spoon."
    command = ("tests.stirring",)
    unit = "turns"
    charts = (Chart("Swirl", ("swirl",), "How it turns."),)
    makes = ModelKind.POLICY
    same_inputs = "Stir the same model again"
    form: ClassVar[type[MethodForm]] = schema.form(MethodForm, SCHEMA, {"rounds": 2})

    def inputs(self, session: Session, project: Project, wanted: Any, parent: Run | None) -> Inputs:
        return Inputs(project.base_model)

    def data(self, session: Session, run: Run) -> Data:
        return Data({"model": "m"}, {"spoons": [{"size": 1}]})

    def finished(self, session: Session, run: Run, summary: RunSummary, artifact: str) -> Model:
        return registry.register(
            session, run=run, kind=ModelKind.POLICY, parent=run.model, artifact=artifact, name="Stirred", metrics={}
        )

    def advice(self, session: Session, project: Project, standing: Standing) -> str | None:
        return "Nothing was stirred yet."


def main(argv: list[str]) -> None:
    """Writes what a trainer writes: metrics, a summary and a model."""
    given = yaml.safe_load(Path(argv[argv.index("--config") + 1]).read_text(encoding="utf-8"))
    output = Path(given["output"])
    spoons = Path(given["spoons"]).read_text(encoding="utf-8").splitlines()
    with (output / "metrics.jsonl").open("w") as metrics:
        for step in range(1, given["rounds"] + 1):
            row = {"step": step, "total_steps": given["rounds"], "seconds": float(step), "swirl": step / 10}
            metrics.write(json.dumps(row) + "\n")
    (output / "model").mkdir()
    (output / "model" / "config.json").write_text("{}")
    (output / "summary.json").write_text(json.dumps({"spoons": len(spoons), "rounds": given["rounds"]}))
    print("stirred", file=sys.stderr)


if __name__ == "__main__":
    run_cli(main)
