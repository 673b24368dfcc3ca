"""Every call by its name. Written by `make client` from the API's document; not to be edited."""

from pathlib import Path
from typing import Any, BinaryIO, Literal

from hone_client import models
from hone_client.calling import OMIT, Caller, Omit
from hone_client.files import Download
from hone_client.paging import Pages


class Operations(Caller):
    """One method for each operation of the API, with its name."""

    def list_all_events(
        self,
        *,
        before: int | None = None,
        action: str | None = None,
        person: int | None = None,
        automatic: bool | None = None,
        since: str | None = None,
        until: str | None = None,
        q: str | None = None,
        limit: int | None = None,
    ) -> Pages[models.EventView]:
        """What everybody did, newest first. For administrators.

        `action`: Keeps the events whose action begins with this.
        `person`: Keeps what this person did.
        `automatic`: Keeps what Hone did without being asked.
        `since`: The first day, in the time zone of the reader; of a program in UTC.
        `until`: The last day.
        `q`: Words that the sentence has, in any order.
        """
        return self._pages(
            models.EventView,
            "/audit",
            query={
                "before": before,
                "action": action,
                "person": person,
                "automatic": automatic,
                "since": since,
                "until": until,
                "q": q,
            },
            limit=limit,
        )

    def show_me(self) -> models.PersonView:
        """Who this token stands for."""
        return self._one(models.PersonView, "GET", "/me")

    def change_me(self, *, name: str | Omit = OMIT, email: str | Omit = OMIT) -> models.PersonView:
        """Change my name or e-mail; what is left out or empty stays."""
        return self._one(models.PersonView, "PATCH", "/me", body={"name": name, "email": email})

    def set_my_password(self, *, new: str, current: str | Omit = OMIT) -> None:
        """Set my password. Other browsers are signed out, and my API tokens are void."""
        self._none("POST", "/me/password", body={"current": current, "new": new})

    def sign_out_elsewhere(self, *, idempotency_key: str | None = None) -> models.SessionsEnded:
        """End every session of mine but this one."""
        return self._one(models.SessionsEnded, "POST", "/me/sign-out-elsewhere", key=idempotency_key)

    def list_sessions(self) -> Pages[models.SessionView]:
        """In which browsers I am signed in, those used last first."""
        return self._pages(models.SessionView, "/me/sessions", paged=False)

    def end_session(self, session_id: int) -> None:
        """Sign one of my browsers out."""
        self._none("DELETE", f"/me/sessions/{session_id}")

    def list_tokens(self, *, before: int | None = None, limit: int | None = None) -> Pages[models.TokenView]:
        """My API tokens that were not revoked, newest first; never their text."""
        return self._pages(models.TokenView, "/tokens", query={"before": before}, limit=limit)

    def create_token(
        self,
        *,
        name: str,
        scopes: list[Literal["read", "label", "manage", "admin"]],
        days: int | Omit | None = OMIT,
    ) -> models.CreatedToken:
        """Make an API token. Its text is in this answer and nowhere else.

        `days`: How long it lasts; null: until it is revoked.
        """
        return self._one(models.CreatedToken, "POST", "/tokens", body={"name": name, "scopes": scopes, "days": days})

    def revoke_token(self, token_id: int) -> None:
        """Make one of my tokens useless at once."""
        self._none("DELETE", f"/tokens/{token_id}")

    def list_users(
        self,
        *,
        before: int | None = None,
        q: str | None = None,
        limit: int | None = None,
    ) -> Pages[models.PersonView]:
        """Everybody with an account, newest first. For administrators.

        `q`: Part of a name or an e-mail address.
        """
        return self._pages(models.PersonView, "/users", query={"before": before, "q": q}, limit=limit)

    def change_user(
        self,
        user_id: int,
        *,
        disabled: bool | Omit | None = OMIT,
        is_admin: bool | Omit | None = OMIT,
    ) -> models.PersonView:
        """Shut somebody out or let them in again, give or take the rights of an administrator. For administrators.

        `disabled`: A disabled account is signed out everywhere; its tokens are void.
        """
        return self._one(
            models.PersonView, "PATCH", f"/users/{user_id}", body={"disabled": disabled, "is_admin": is_admin}
        )

    def sign_person_out(self, user_id: int, *, idempotency_key: str | None = None) -> models.SessionsEnded:
        """End every session of somebody; their password and API tokens stay. For administrators."""
        return self._one(models.SessionsEnded, "POST", f"/users/{user_id}/sign-out", key=idempotency_key)

    def reset_sign_in(self, user_id: int) -> models.SignInLinkView:
        """For somebody who forgot: their password, sessions and tokens end, and a link signs them in once. For
        administrators.
        """
        return self._one(models.SignInLinkView, "POST", f"/users/{user_id}/sign-in-link")

    def create_project(
        self,
        *,
        name: str,
        guidelines: str | Omit = OMIT,
        base_model: str | Omit = OMIT,
        starter_prompts: bool | Omit = OMIT,
        answer: models.LabelSettings | dict[str, Any] | Omit = OMIT,
        sampling: models.SamplingSettings | dict[str, Any] | Omit = OMIT,
        automation: models.AutomationSettings | dict[str, Any] | Omit = OMIT,
        queue: models.QueueSettings | dict[str, Any] | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.CreatedProject:
        """Make a project. For administrators and managers."""
        return self._one(
            models.CreatedProject,
            "POST",
            "/projects",
            body={
                "name": name,
                "guidelines": guidelines,
                "base_model": base_model,
                "starter_prompts": starter_prompts,
                "answer": answer,
                "sampling": sampling,
                "automation": automation,
                "queue": queue,
            },
            key=idempotency_key,
        )

    def list_projects(
        self,
        *,
        before: int | None = None,
        archived: bool | None = None,
        limit: int | None = None,
    ) -> Pages[models.ListedProject]:
        """The projects this person may enter, newest first.

        `archived`: Those that were set aside, instead of the others.
        """
        return self._pages(
            models.ListedProject, "/projects", query={"before": before, "archived": archived}, limit=limit
        )

    def clone_project(
        self,
        project_id: int,
        *,
        name: str,
        settings: bool | Omit = OMIT,
        guidelines: bool | Omit = OMIT,
        questions: bool | Omit = OMIT,
        prompts: bool | Omit = OMIT,
        members: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.CreatedProject:
        """Make a project like this one with the parts that are wanted, on the same base model. For its managers.

        `settings`: How it asks, samples, queues and starts things by itself.
        `guidelines`: What annotators are told.
        `questions`: Further questions, reasons, and reasons to skip.
        `prompts`: Whether its active prompts are copied too.
        `members`: Whether its people are in the new one too, with their roles.
        """
        return self._one(
            models.CreatedProject,
            "POST",
            f"/projects/{project_id}/clone",
            body={
                "name": name,
                "settings": settings,
                "guidelines": guidelines,
                "questions": questions,
                "prompts": prompts,
                "members": members,
            },
            key=idempotency_key,
        )

    def list_instructions(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.InstructionsView]:
        """All versions of the guidelines and of what is asked, the newest first."""
        return self._pages(
            models.InstructionsView, f"/projects/{project_id}/instructions", query={"before": before}, limit=limit
        )

    def show_instructions(self, project_id: int, number: int) -> models.InstructionsView:
        """One version."""
        return self._one(models.InstructionsView, "GET", f"/projects/{project_id}/instructions/{number}")

    def show_quotas(self, project_id: int) -> models.QuotasView:
        """What the project may use, and what it has used. For its managers."""
        return self._one(models.QuotasView, "GET", f"/projects/{project_id}/quotas")

    def change_quotas(
        self,
        project_id: int,
        *,
        runs_at_once: int | Omit | None = OMIT,
        runs_per_day: int | Omit | None = OMIT,
        storage_bytes: int | Omit | None = OMIT,
        tokens: int | Omit | None = OMIT,
    ) -> models.QuotasView:
        """Set quotas. For administrators.

        `runs_at_once`: Runs of any kind that may be queued or running.
        `runs_per_day`: Runs that may begin in any 24 hours.
        `storage_bytes`: Bytes of the files of its runs, models and imports.
        `tokens`: Tokens of endpoints in all, prompts and responses together.
        """
        return self._one(
            models.QuotasView,
            "PATCH",
            f"/projects/{project_id}/quotas",
            body={
                "runs_at_once": runs_at_once,
                "runs_per_day": runs_per_day,
                "storage_bytes": storage_bytes,
                "tokens": tokens,
            },
        )

    def show_project(self, project_id: int) -> models.ProjectView:
        """A project and its settings."""
        return self._one(models.ProjectView, "GET", f"/projects/{project_id}")

    def change_project(
        self,
        project_id: int,
        *,
        name: str | Omit | None = OMIT,
        guidelines: str | Omit | None = OMIT,
        answer: models.LabelSettings | dict[str, Any] | Omit | None = OMIT,
        sampling: models.SamplingSettings | dict[str, Any] | Omit | None = OMIT,
        plan: models.SamplingPlan | dict[str, Any] | Omit | None = OMIT,
        automation: models.AutomationSettings | dict[str, Any] | Omit | None = OMIT,
        queue: models.QueueSettings | dict[str, Any] | Omit | None = OMIT,
        first_round_hidden: bool | Omit | None = OMIT,
    ) -> models.ProjectView:
        """Change a project. For its managers."""
        return self._one(
            models.ProjectView,
            "PATCH",
            f"/projects/{project_id}",
            body={
                "name": name,
                "guidelines": guidelines,
                "answer": answer,
                "sampling": sampling,
                "plan": plan,
                "automation": automation,
                "queue": queue,
                "first_round_hidden": first_round_hidden,
            },
        )

    def archive_project(self, project_id: int, *, idempotency_key: str | None = None) -> models.ProjectView:
        """Set a project aside: it can be read, not changed. For its managers."""
        return self._one(models.ProjectView, "POST", f"/projects/{project_id}/archive", key=idempotency_key)

    def restore_project(self, project_id: int, *, idempotency_key: str | None = None) -> models.ProjectView:
        """Take an archived project up again. For its managers."""
        return self._one(models.ProjectView, "POST", f"/projects/{project_id}/unarchive", key=idempotency_key)

    def list_members(
        self,
        project_id: int,
        *,
        before: int | None = None,
        search: str | None = None,
        role: Literal["manager", "annotator"] | None = None,
        state: Literal["active", "paused", "disabled"] | None = None,
        sort: Literal["name", "-name", "number", "-number", "role", "-role", "joined", "-joined"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.MemberView]:
        """Everybody in the project, by name, or in another order. For its managers.

        `search`: Only people with this in their name or e-mail.
        """
        return self._pages(
            models.MemberView,
            f"/projects/{project_id}/members",
            query={"before": before, "search": search, "role": role, "state": state, "sort": sort},
            limit=limit,
        )

    def change_members(
        self,
        project_id: int,
        *,
        action: Literal["pause", "resume", "annotator", "manager", "remove"],
        search: str | Omit = OMIT,
        role: Literal["manager", "annotator"] | Omit | None = OMIT,
        state: Literal["active", "paused", "disabled"] | Omit | None = OMIT,
        ids: list[int] | Omit = OMIT,
        all: bool | Omit = OMIT,
        upto: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.BulkDone:
        """Do one thing to many members: pause or resume them, give them a role, or remove them. Up to 200 a call.

        `search`: Only people with this in their name or e-mail.
        `ids`: These rows.
        `all`: All rows that the filter finds, instead of `ids`.
        `upto`: Of all: only rows up to this number, as the last response had it.
        """
        return self._one(
            models.BulkDone,
            "POST",
            f"/projects/{project_id}/members/bulk",
            body={
                "search": search,
                "role": role,
                "state": state,
                "ids": ids,
                "all": all,
                "upto": upto,
                "action": action,
            },
            key=idempotency_key,
        )

    def change_member(
        self,
        project_id: int,
        user_id: int,
        *,
        role: Literal["manager", "annotator"] | Omit | None = OMIT,
        paused: bool | Omit | None = OMIT,
        reason: str | Omit = OMIT,
    ) -> models.MemberView:
        """Change a member's role, or pause and resume them. For managers."""
        return self._one(
            models.MemberView,
            "PATCH",
            f"/projects/{project_id}/members/{user_id}",
            body={"role": role, "paused": paused, "reason": reason},
        )

    def remove_member(self, project_id: int, user_id: int) -> None:
        """Remove a person from the project; their labels stay. For managers."""
        self._none("DELETE", f"/projects/{project_id}/members/{user_id}")

    def list_events(
        self,
        project_id: int,
        *,
        before: int | None = None,
        action: str | None = None,
        person: int | None = None,
        automatic: bool | None = None,
        since: str | None = None,
        until: str | None = None,
        q: str | None = None,
        limit: int | None = None,
    ) -> Pages[models.EventView]:
        """Who did what in the project, newest first.

        `action`: Keeps the events whose action begins with this.
        `person`: Keeps what this person did.
        `automatic`: Keeps what Hone did without being asked.
        `since`: The first day, in the time zone of the reader; of a program in UTC.
        `until`: The last day.
        `q`: Words that the sentence has, in any order.
        """
        return self._pages(
            models.EventView,
            f"/projects/{project_id}/audit",
            query={
                "before": before,
                "action": action,
                "person": person,
                "automatic": automatic,
                "since": since,
                "until": until,
                "q": q,
            },
            limit=limit,
        )

    def list_invitations(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.InvitationView]:
        """Invitations that can still be used, newest first. For managers."""
        return self._pages(
            models.InvitationView, f"/projects/{project_id}/invitations", query={"before": before}, limit=limit
        )

    def invite_person(
        self,
        project_id: int,
        *,
        role: Literal["manager", "annotator"] | Omit = OMIT,
        note: str | Omit = OMIT,
    ) -> models.CreatedInvitation:
        """Make an invitation, whose link lets one person join. For managers."""
        return self._one(
            models.CreatedInvitation, "POST", f"/projects/{project_id}/invitations", body={"role": role, "note": note}
        )

    def withdraw_invitation(self, project_id: int, invitation_id: int) -> None:
        """Make an invitation useless. For managers."""
        self._none("DELETE", f"/projects/{project_id}/invitations/{invitation_id}")

    def list_prompts(
        self,
        project_id: int,
        *,
        before: int | None = None,
        search: str | None = None,
        status: Literal["review", "active", "refused", "withdrawn"] | None = None,
        split: Literal["train", "holdout"] | None = None,
        source: Literal["starter", "import", "api", "chat"] | None = None,
        sort: Literal["turns", "-turns", "added", "-added"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.PromptView]:
        """Prompts, newest first, or in another order.

        `search`: Only prompts with this text in one of their turns.
        """
        return self._pages(
            models.PromptView,
            f"/projects/{project_id}/prompts",
            query={
                "before": before,
                "search": search,
                "status": status,
                "split": split,
                "source": source,
                "sort": sort,
            },
            limit=limit,
        )

    def import_prompts(
        self,
        project_id: int,
        *,
        prompts: list[Any],
        accept_bad: bool | Omit = OMIT,
        dry_run: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ImportReport:
        """Import entries. Gives 422 and imports nothing where some are bad and `accept_bad` is not set.

        `accept_bad`: Skip invalid entries and import the rest.
        `dry_run`: Only count.
        """
        return self._one(
            models.ImportReport,
            "POST",
            f"/projects/{project_id}/prompts",
            body={"prompts": prompts, "accept_bad": accept_bad, "dry_run": dry_run},
            key=idempotency_key,
            also=frozenset({422}),
        )

    def add_starter_prompts(self, project_id: int, *, idempotency_key: str | None = None) -> models.ImportReport:
        """Add the prompts that come with Hone."""
        return self._one(models.ImportReport, "POST", f"/projects/{project_id}/prompts/starter", key=idempotency_key)

    def review_prompts(
        self,
        project_id: int,
        *,
        prompts: list[int],
        admit: bool,
        idempotency_key: str | None = None,
    ) -> models.Reviewed:
        """Add prompts from chat to the loop, or reject them. Those that wait are listed by `status=review`.

        `admit`: Whether they come into the loop, or are rejected.
        """
        return self._one(
            models.Reviewed,
            "POST",
            f"/projects/{project_id}/prompts/review",
            body={"prompts": prompts, "admit": admit},
            key=idempotency_key,
        )

    def show_prompt(self, project_id: int, prompt_id: int) -> models.PromptView:
        """One prompt."""
        return self._one(models.PromptView, "GET", f"/projects/{project_id}/prompts/{prompt_id}")

    def restore_prompt(
        self,
        project_id: int,
        prompt_id: int,
        *,
        idempotency_key: str | None = None,
    ) -> models.PromptView:
        """Take a withdrawn prompt back into the loop. Its items stay withdrawn."""
        return self._one(
            models.PromptView, "POST", f"/projects/{project_id}/prompts/{prompt_id}/restore", key=idempotency_key
        )

    def preview_import(
        self,
        project_id: int,
        file: Path | BinaryIO,
        *,
        what: Literal["prompts", "pairs", "labels"] | None = None,
        layout: str | None = None,
        container: Literal["", "jsonl", "json", "csv", "lines", "blocks"] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        mapping: str | None = None,
        skip_invalid: bool | None = None,
        idempotency_key: str | None = None,
    ) -> models.ImportPreview:
        """Read a file and say what its import would make, without storing any of it.

        `what`: Default: the most that the file holds.
        `layout`: Default: by the columns.
        `container`: Default: by the content.
        `mapping`: A JSON object: {"prompt": "Question"}.
        `skip_invalid`: Import the rest where rows are refused.
        """
        return self._one(
            models.ImportPreview,
            "POST",
            f"/projects/{project_id}/imports/preview",
            form={
                "what": what,
                "layout": layout,
                "container": container,
                "encoding": encoding,
                "delimiter": delimiter,
                "mapping": mapping,
                "skip_invalid": skip_invalid,
            },
            file=file,
            key=idempotency_key,
        )

    def start_import(
        self,
        project_id: int,
        file: Path | BinaryIO,
        *,
        what: Literal["prompts", "pairs", "labels"] | None = None,
        layout: str | None = None,
        container: Literal["", "jsonl", "json", "csv", "lines", "blocks"] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        mapping: str | None = None,
        skip_invalid: bool | None = None,
        idempotency_key: str | None = None,
    ) -> models.ImportView:
        """Import a file, as a run. Where rows are refused and `skip_invalid` is not set, the run fails and nothing
        is imported; `rest` imports the others then.

        `what`: Default: the most that the file holds.
        `layout`: Default: by the columns.
        `container`: Default: by the content.
        `mapping`: A JSON object: {"prompt": "Question"}.
        `skip_invalid`: Import the rest where rows are refused.
        """
        return self._one(
            models.ImportView,
            "POST",
            f"/projects/{project_id}/imports",
            form={
                "what": what,
                "layout": layout,
                "container": container,
                "encoding": encoding,
                "delimiter": delimiter,
                "mapping": mapping,
                "skip_invalid": skip_invalid,
            },
            file=file,
            key=idempotency_key,
        )

    def list_imports(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.RunView]:
        """The project's imports, and the runs that take them back, newest first."""
        return self._pages(models.RunView, f"/projects/{project_id}/imports", query={"before": before}, limit=limit)

    def import_from_hub(
        self,
        project_id: int,
        *,
        what: Literal["prompts", "pairs", "labels"],
        hub: str,
        layout: str | Omit = OMIT,
        container: Literal["", "jsonl", "json", "csv", "lines", "blocks"] | Omit = OMIT,
        encoding: str | Omit = OMIT,
        delimiter: str | Omit = OMIT,
        mapping: dict[str, str] | Omit = OMIT,
        skip_invalid: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ImportView:
        """Import a data set of the Hugging Face hub, which the run fetches first. For administrators.

        `hub`: Its name there: owner/name.
        """
        return self._one(
            models.ImportView,
            "POST",
            f"/projects/{project_id}/imports/hub",
            body={
                "what": what,
                "layout": layout,
                "container": container,
                "encoding": encoding,
                "delimiter": delimiter,
                "mapping": mapping,
                "skip_invalid": skip_invalid,
                "hub": hub,
            },
            key=idempotency_key,
        )

    def show_import(self, project_id: int, run_id: int) -> models.ImportView:
        """One import."""
        return self._one(models.ImportView, "GET", f"/projects/{project_id}/imports/{run_id}")

    def refused_rows(self, project_id: int, run_id: int) -> Download:
        """All refused rows as JSON Lines."""
        return self._file("GET", f"/projects/{project_id}/imports/{run_id}/refused")

    def import_rest(self, project_id: int, run_id: int, *, idempotency_key: str | None = None) -> models.ImportView:
        """Import the rows that are good, of a file whose others were refused."""
        return self._one(
            models.ImportView, "POST", f"/projects/{project_id}/imports/{run_id}/rest", key=idempotency_key
        )

    def undo_import(self, project_id: int, run_id: int, *, idempotency_key: str | None = None) -> models.RunView:
        """Take out what an import has brought. What others depend on stays; the run's summary says how much."""
        return self._one(models.RunView, "POST", f"/projects/{project_id}/imports/{run_id}/undo", key=idempotency_key)

    def list_items(
        self,
        project_id: int,
        *,
        before: int | None = None,
        purpose: Literal["train", "check", "evaluation", "chat"] | None = None,
        state: Literal["open", "done", "withdrawn"] | None = None,
        split: Literal["train", "holdout"] | None = None,
        prompt: int | None = None,
        sort: Literal["made", "-made"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.ItemView]:
        """Items, newest first, or in another order."""
        return self._pages(
            models.ItemView,
            f"/projects/{project_id}/items",
            query={
                "before": before,
                "purpose": purpose,
                "state": state,
                "split": split,
                "prompt": prompt,
                "sort": sort,
            },
            limit=limit,
        )

    def show_item(self, project_id: int, item_id: int) -> models.ItemView:
        """One item."""
        return self._one(models.ItemView, "GET", f"/projects/{project_id}/items/{item_id}")

    def sample_items(
        self,
        project_id: int,
        *,
        count: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.SamplingStarted:
        """Have more items sampled."""
        return self._one(
            models.SamplingStarted,
            "POST",
            f"/projects/{project_id}/items/sample",
            body={"count": count},
            key=idempotency_key,
        )

    def add_checks(
        self,
        project_id: int,
        *,
        count: int | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ChecksMade:
        """Make attention checks."""
        return self._one(
            models.ChecksMade,
            "POST",
            f"/projects/{project_id}/items/checks",
            body={"count": count},
            key=idempotency_key,
        )

    def withdraw_items(
        self,
        project_id: int,
        *,
        items: list[int],
        idempotency_key: str | None = None,
    ) -> models.Withdrawn:
        """Take items out of the queue."""
        return self._one(
            models.Withdrawn,
            "POST",
            f"/projects/{project_id}/items/withdraw",
            body={"items": items},
            key=idempotency_key,
        )

    def ask_items_again(
        self,
        project_id: int,
        *,
        items: list[int],
        idempotency_key: str | None = None,
    ) -> models.AskedAgain:
        """Ask for one more label on items."""
        return self._one(
            models.AskedAgain, "POST", f"/projects/{project_id}/items/again", body={"items": items}, key=idempotency_key
        )

    def adopt_overlap(self, project_id: int, *, idempotency_key: str | None = None) -> models.OverlapAdopted:
        """Ask for the project's number of labels on the items that wait, too; on at most 100,000 of them in one
        call.
        """
        return self._one(models.OverlapAdopted, "POST", f"/projects/{project_id}/items/overlap", key=idempotency_key)

    def withdraw_prompts(
        self,
        project_id: int,
        *,
        prompts: list[int],
        idempotency_key: str | None = None,
    ) -> models.Withdrawn:
        """Take prompts and their items out of the loop."""
        return self._one(
            models.Withdrawn,
            "POST",
            f"/projects/{project_id}/prompts/withdraw",
            body={"prompts": prompts},
            key=idempotency_key,
        )

    def change_items(
        self,
        project_id: int,
        *,
        action: Literal["first", "again", "withdraw"],
        purpose: Literal["train", "check", "evaluation", "chat"] | Omit | None = OMIT,
        state: Literal["open", "done", "withdrawn"] | Omit | None = OMIT,
        split: Literal["train", "holdout"] | Omit | None = OMIT,
        prompt: int | Omit | None = OMIT,
        ids: list[int] | Omit = OMIT,
        all: bool | Omit = OMIT,
        upto: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.BulkDone:
        """Do one thing to many items: put those that wait first, ask for one more label on those that do not, or
        withdraw them. Up to 10,000 a call.

        `ids`: These rows.
        `all`: All rows that the filter finds, instead of `ids`.
        `upto`: Of all: only rows up to this number, as the last response had it.
        """
        return self._one(
            models.BulkDone,
            "POST",
            f"/projects/{project_id}/items/bulk",
            body={
                "purpose": purpose,
                "state": state,
                "split": split,
                "prompt": prompt,
                "ids": ids,
                "all": all,
                "upto": upto,
                "action": action,
            },
            key=idempotency_key,
        )

    def change_prompts(
        self,
        project_id: int,
        *,
        action: Literal["withdraw", "restore", "admit", "reject"],
        search: str | Omit = OMIT,
        status: Literal["review", "active", "refused", "withdrawn"] | Omit | None = OMIT,
        split: Literal["train", "holdout"] | Omit | None = OMIT,
        source: Literal["starter", "import", "api", "chat"] | Omit | None = OMIT,
        ids: list[int] | Omit = OMIT,
        all: bool | Omit = OMIT,
        upto: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.BulkDone:
        """Do one thing to many prompts: withdraw or restore them, add those from chat to the loop, or reject them.
        Up to 2,000 a call.

        `search`: Only prompts with this text in one of their turns.
        `ids`: These rows.
        `all`: All rows that the filter finds, instead of `ids`.
        `upto`: Of all: only rows up to this number, as the last response had it.
        """
        return self._one(
            models.BulkDone,
            "POST",
            f"/projects/{project_id}/prompts/bulk",
            body={
                "search": search,
                "status": status,
                "split": split,
                "source": source,
                "ids": ids,
                "all": all,
                "upto": upto,
                "action": action,
            },
            key=idempotency_key,
        )

    def show_my_keys(self) -> models.KeysView:
        """The keys of the labelling screen as they are for me."""
        return self._one(models.KeysView, "GET", "/me/keys")

    def set_my_keys(self, *, keys: dict[str, str]) -> models.KeysView:
        """Give actions of the labelling screen keys of my own; without any, all have their usual ones."""
        return self._one(models.KeysView, "PUT", "/me/keys", body={"keys": keys})

    def show_labels_over_time(
        self,
        project_id: int,
        *,
        over: Literal["day", "week", "month", "year"] | None = None,
        zone: str | None = None,
    ) -> models.OverTimeView:
        """Labels by person and by hour, and how far people agreed, over time; in a very large project as of a while
        ago.

        `over`: A day by hours, a week or a month by days, a year by weeks.
        `zone`: Whose hours and days, such as Europe/Berlin.
        """
        return self._one(
            models.OverTimeView, "GET", f"/projects/{project_id}/labels/over-time", query={"over": over, "zone": zone}
        )

    def claim_item(self, project_id: int, *, idempotency_key: str | None = None) -> models.Claimed:
        """The item to label now, the same until it is labelled. What is asked about its responses is in the
        project's `answer`.
        """
        return self._one(models.Claimed, "POST", f"/projects/{project_id}/label/next", key=idempotency_key)

    def save_label(
        self,
        project_id: int,
        *,
        assignment_id: int,
        kind: str | Omit = OMIT,
        answer: str | Omit = OMIT,
        fields: dict[str, str] | Omit = OMIT,
        questions: dict[str, str] | Omit = OMIT,
        reasons: list[str] | Omit = OMIT,
        comment: str | Omit | None = OMIT,
        instructions: int | Omit | None = OMIT,
        replaces: int | Omit | None = OMIT,
        seconds: float | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.Saved:
        """Save a label; sent again, it is the same one.

        `kind`: Of the item that is labelled.
        `answer`: The label in the words of the item's kind, see docs/annotating.md.
        `fields`: The same as named fields, where the kind has some.
        `questions`: The choice for each further question of the project.
        `instructions`: The version of the guidelines and questions that were shown; else the present one.
        `replaces`: The label of mine that was shown with the item, 0: none. Where another one stands by now,
            nothing is saved (409). Not given: whichever stands is replaced.
        `seconds`: From display to label.
        """
        return self._one(
            models.Saved,
            "POST",
            f"/projects/{project_id}/label",
            body={
                "assignment_id": assignment_id,
                "kind": kind,
                "answer": answer,
                "fields": fields,
                "questions": questions,
                "reasons": reasons,
                "comment": comment,
                "instructions": instructions,
                "replaces": replaces,
                "seconds": seconds,
            },
            key=idempotency_key,
            also=frozenset({409}),
        )

    def preview_label(
        self,
        project_id: int,
        *,
        assignment_id: int,
        kind: str | Omit = OMIT,
        answer: str | Omit = OMIT,
        fields: dict[str, str] | Omit = OMIT,
        questions: dict[str, str] | Omit = OMIT,
        reasons: list[str] | Omit = OMIT,
        comment: str | Omit | None = OMIT,
        instructions: int | Omit | None = OMIT,
        replaces: int | Omit | None = OMIT,
        seconds: float | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.LabelPreview:
        """What a response that is being written will look like, by the kind of its item; nothing is kept.

        `kind`: Of the item that is labelled.
        `answer`: The label in the words of the item's kind, see docs/annotating.md.
        `fields`: The same as named fields, where the kind has some.
        `questions`: The choice for each further question of the project.
        `instructions`: The version of the guidelines and questions that were shown; else the present one.
        `replaces`: The label of mine that was shown with the item, 0: none. Where another one stands by now,
            nothing is saved (409). Not given: whichever stands is replaced.
        `seconds`: From display to label.
        """
        return self._one(
            models.LabelPreview,
            "POST",
            f"/projects/{project_id}/label/preview",
            body={
                "assignment_id": assignment_id,
                "kind": kind,
                "answer": answer,
                "fields": fields,
                "questions": questions,
                "reasons": reasons,
                "comment": comment,
                "instructions": instructions,
                "replaces": replaces,
                "seconds": seconds,
            },
            key=idempotency_key,
        )

    def skip_item(
        self,
        project_id: int,
        *,
        assignment_id: int,
        reason: str | Omit = OMIT,
        note: str | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.Skipped:
        """Leave an item to somebody else, with a reason or without.

        `reason`: The id of one of the project's reasons to skip.
        `note`: In one's own words.
        """
        return self._one(
            models.Skipped,
            "POST",
            f"/projects/{project_id}/label/skip",
            body={"assignment_id": assignment_id, "reason": reason, "note": note},
            key=idempotency_key,
        )

    def take_skipped_again(self, project_id: int, *, idempotency_key: str | None = None) -> models.Claimed:
        """Look once more at the newest item that I skipped and that nobody has answered; null where there is none."""
        return self._one(models.Claimed, "POST", f"/projects/{project_id}/label/again", key=idempotency_key)

    def list_skips(
        self,
        project_id: int,
        *,
        before: int | None = None,
        reason: str | None = None,
        item: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.SkipView]:
        """Items that somebody skipped and has not taken up again, the newest first, with the reason where one was
        given.

        `reason`: The id of a reason; `none`: no reason was given.
        `item`: Only skips of the item with this number.
        """
        return self._pages(
            models.SkipView,
            f"/projects/{project_id}/skips",
            query={"before": before, "reason": reason, "item": item},
            limit=limit,
        )

    def renew_lease(self, project_id: int, *, assignment_id: int, idempotency_key: str | None = None) -> models.Renewed:
        """Keep a lease."""
        return self._one(
            models.Renewed,
            "POST",
            f"/projects/{project_id}/label/renew",
            body={"assignment_id": assignment_id},
            key=idempotency_key,
        )

    def list_my_labels(
        self,
        project_id: int,
        *,
        before: int | None = None,
        kind: str | None = None,
        choice: Literal["first", "second", "tie", "both_bad"] | None = None,
        since: str | None = None,
        until: str | None = None,
        flagged: bool | None = None,
        search: str | None = None,
        limit: int | None = None,
    ) -> Pages[models.LabelView]:
        """My own labels, newest first. Days are those of UTC.

        `kind`: Only labels of items of this kind.
        `choice`: Only this choice between two, as they were shown to me: `first` is the left one.
        `since`: Only labels of this day and later ones.
        `until`: Only labels of this day and earlier ones.
        `flagged`: Only labels of items that I have flagged.
        `search`: Only where the prompt or my comment has these words.
        """
        return self._pages(
            models.LabelView,
            f"/projects/{project_id}/labels/mine",
            query={
                "before": before,
                "kind": kind,
                "choice": choice,
                "since": since,
                "until": until,
                "flagged": flagged,
                "search": search,
            },
            limit=limit,
        )

    def show_my_work(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
        kind: str | None = None,
        choice: Literal["first", "second", "tie", "both_bad"] | None = None,
        since: str | None = None,
        until: str | None = None,
        flagged: bool | None = None,
        search: str | None = None,
    ) -> models.Work:
        """How many labels these are in all, the hours that they took, and the pace.

        `limit`: How many at most.
        `kind`: Only labels of items of this kind.
        `choice`: Only this choice between two, as they were shown to me: `first` is the left one.
        `since`: Only labels of this day and later ones.
        `until`: Only labels of this day and earlier ones.
        `flagged`: Only labels of items that I have flagged.
        `search`: Only where the prompt or my comment has these words.
        """
        return self._one(
            models.Work,
            "GET",
            f"/projects/{project_id}/labels/mine/work",
            query={
                "before": before,
                "limit": limit,
                "kind": kind,
                "choice": choice,
                "since": since,
                "until": until,
                "flagged": flagged,
                "search": search,
            },
        )

    def list_labels(
        self,
        project_id: int,
        *,
        before: int | None = None,
        outcome: Literal["first", "second", "tie", "both_bad"] | None = None,
        annotator: int | None = None,
        purpose: Literal["train", "check", "evaluation", "chat"] | None = None,
        late: bool | None = None,
        commented: bool | None = None,
        sort: Literal["time", "-time", "when", "-when"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.LabelView]:
        """Everybody's labels, newest first, or in another order.

        `outcome`: Only labels with this choice on the main question.
        `annotator`: Only labels of the annotator with this number; below zero it is an imported annotator's.
        `purpose`: Only labels on items of this purpose.
        `late`: Only labels given after their lease had ended.
        `commented`: Only labels with a comment.
        """
        return self._pages(
            models.LabelView,
            f"/projects/{project_id}/labels",
            query={
                "before": before,
                "outcome": outcome,
                "annotator": annotator,
                "purpose": purpose,
                "late": late,
                "commented": commented,
                "sort": sort,
            },
            limit=limit,
        )

    def follow_up_labels(
        self,
        project_id: int,
        *,
        action: Literal["again"],
        outcome: Literal["first", "second", "tie", "both_bad"] | Omit | None = OMIT,
        annotator: int | Omit | None = OMIT,
        purpose: Literal["train", "check", "evaluation", "chat"] | Omit | None = OMIT,
        late: bool | Omit = OMIT,
        commented: bool | Omit = OMIT,
        ids: list[int] | Omit = OMIT,
        all: bool | Omit = OMIT,
        upto: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.BulkDone:
        """Ask for one more label on the pairs of many labels. `done` counts pairs. Up to 10,000 labels a call.

        `outcome`: Only labels with this choice on the main question.
        `annotator`: Only labels of the annotator with this number; below zero it is an imported annotator's.
        `purpose`: Only labels on items of this purpose.
        `late`: Only labels given after their lease had ended.
        `commented`: Only labels with a comment.
        `ids`: These rows.
        `all`: All rows that the filter finds, instead of `ids`.
        `upto`: Of all: only rows up to this number, as the last response had it.
        """
        return self._one(
            models.BulkDone,
            "POST",
            f"/projects/{project_id}/labels/bulk",
            body={
                "outcome": outcome,
                "annotator": annotator,
                "purpose": purpose,
                "late": late,
                "commented": commented,
                "ids": ids,
                "all": all,
                "upto": upto,
                "action": action,
            },
            key=idempotency_key,
        )

    def show_quality(self, project_id: int) -> models.QualityView:
        """Agreement in the project, and how each annotator works; in a very large project as of a while ago."""
        return self._one(models.QualityView, "GET", f"/projects/{project_id}/labels/quality")

    def list_flags(
        self,
        project_id: int,
        *,
        before: int | None = None,
        state: Literal["open", "closed", "all"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.FlagView]:
        """Flags on items, the newest first: a manager sees everybody's, anybody else their own.

        `state`: Whether a manager has closed them.
        """
        return self._pages(
            models.FlagView, f"/projects/{project_id}/flags", query={"before": before, "state": state}, limit=limit
        )

    def raise_flag(
        self,
        project_id: int,
        *,
        assignment_id: int,
        message: str | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.FlagView:
        """Ask the managers about an item that was put before me. A second message goes to the flag that is open.

        `assignment_id`: Of the item that it is about, as it was put before me.
        """
        return self._one(
            models.FlagView,
            "POST",
            f"/projects/{project_id}/flags",
            body={"message": message, "assignment_id": assignment_id},
            key=idempotency_key,
        )

    def show_flag(self, project_id: int, flag_id: int) -> models.FlagView:
        """A flag with its thread."""
        return self._one(models.FlagView, "GET", f"/projects/{project_id}/flags/{flag_id}")

    def reply_to_flag(
        self,
        project_id: int,
        flag_id: int,
        *,
        message: str | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.FlagView:
        """Write in the thread of an open flag."""
        return self._one(
            models.FlagView,
            "POST",
            f"/projects/{project_id}/flags/{flag_id}/messages",
            body={"message": message},
            key=idempotency_key,
        )

    def close_flag(self, project_id: int, flag_id: int, *, idempotency_key: str | None = None) -> None:
        """Settle a flag."""
        self._none("POST", f"/projects/{project_id}/flags/{flag_id}/close", key=idempotency_key)

    def download_export(
        self,
        project_id: int,
        *,
        outcome: Literal["first", "second", "tie", "both_bad"] | None = None,
        annotator: int | None = None,
        purpose: Literal["train", "check", "evaluation", "chat"] | None = None,
        late: bool | None = None,
        commented: bool | None = None,
        layout: Literal["everything", "trl", "trl-conversational", "sft", "label-studio"] | None = None,
        format: Literal["jsonl", "json", "csv", "excel", "parquet", "dataset"] | None = None,
        files: Literal["one", "splits"] | None = None,
        rows: Literal["labels", "pairs"] | None = None,
        question: str | None = None,
        ties: bool | None = None,
        split: Literal["train", "holdout"] | None = None,
        revisions: bool | None = None,
        names: bool | None = None,
    ) -> Download:
        """Labels as a file, made while it is sent; of more than 100,000 a run makes it.

        `outcome`: Only labels with this choice on the main question.
        `annotator`: Only labels of the annotator with this number; below zero it is an imported annotator's.
        `purpose`: Only labels on items of this purpose.
        `late`: Only labels given after their lease had ended.
        `commented`: Only labels with a comment.
        `layout`: everything: all there is, can be imported again; trl: prompt, chosen, rejected as text; trl-
            conversational: the same as messages; sft: prompt and completion, of responses that people wrote;
            label-studio: tasks with annotations.
        `format`: jsonl (the default), json: a list (Label Studio's), csv, excel: CSV for spreadsheets, parquet,
            dataset: a DatasetDict folder in a ZIP archive.
        `files`: splits: train and test, a file each, with a dataset card, in a ZIP archive.
        `rows`: Of TRL's layouts. labels: a row for each label; pairs: a row for each pair of responses, with the
            share of its raters that prefer the chosen one.
        `question`: Of TRL's layouts: the id of the question; empty: the main one.
        `ties`: Of TRL's layouts: rows of equal responses too, with the preference 0.5.
        `split`: Only labels on prompts of this split.
        `revisions`: Of everything: labels that were changed or withdrawn later, too.
        `names`: People by name, beside their numbers.
        """
        return self._file(
            "GET",
            f"/projects/{project_id}/exports/file",
            query={
                "outcome": outcome,
                "annotator": annotator,
                "purpose": purpose,
                "late": late,
                "commented": commented,
                "layout": layout,
                "format": format,
                "files": files,
                "rows": rows,
                "question": question,
                "ties": ties,
                "split": split,
                "revisions": revisions,
                "names": names,
            },
        )

    def start_export(
        self,
        project_id: int,
        *,
        outcome: Literal["first", "second", "tie", "both_bad"] | Omit | None = OMIT,
        annotator: int | Omit | None = OMIT,
        purpose: Literal["train", "check", "evaluation", "chat"] | Omit | None = OMIT,
        late: bool | Omit = OMIT,
        commented: bool | Omit = OMIT,
        layout: Literal["everything", "trl", "trl-conversational", "sft", "label-studio"] | Omit = OMIT,
        format: Literal["jsonl", "json", "csv", "excel", "parquet", "dataset"] | Omit | None = OMIT,
        files: Literal["one", "splits"] | Omit = OMIT,
        rows: Literal["labels", "pairs"] | Omit = OMIT,
        question: str | Omit = OMIT,
        ties: bool | Omit = OMIT,
        split: Literal["train", "holdout"] | Omit | None = OMIT,
        revisions: bool | Omit = OMIT,
        names: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.RunView:
        """Start a run that writes labels to a file, of any number.

        `outcome`: Only labels with this choice on the main question.
        `annotator`: Only labels of the annotator with this number; below zero it is an imported annotator's.
        `purpose`: Only labels on items of this purpose.
        `late`: Only labels given after their lease had ended.
        `commented`: Only labels with a comment.
        `layout`: everything: all there is, can be imported again; trl: prompt, chosen, rejected as text; trl-
            conversational: the same as messages; sft: prompt and completion, of responses that people wrote;
            label-studio: tasks with annotations.
        `format`: jsonl (the default), json: a list (Label Studio's), csv, excel: CSV for spreadsheets, parquet,
            dataset: a DatasetDict folder in a ZIP archive.
        `files`: splits: train and test, a file each, with a dataset card, in a ZIP archive.
        `rows`: Of TRL's layouts. labels: a row for each label; pairs: a row for each pair of responses, with the
            share of its raters that prefer the chosen one.
        `question`: Of TRL's layouts: the id of the question; empty: the main one.
        `ties`: Of TRL's layouts: rows of equal responses too, with the preference 0.5.
        `split`: Only labels on prompts of this split.
        `revisions`: Of everything: labels that were changed or withdrawn later, too.
        `names`: People by name, beside their numbers.
        """
        return self._one(
            models.RunView,
            "POST",
            f"/projects/{project_id}/exports",
            body={
                "outcome": outcome,
                "annotator": annotator,
                "purpose": purpose,
                "late": late,
                "commented": commented,
                "layout": layout,
                "format": format,
                "files": files,
                "rows": rows,
                "question": question,
                "ties": ties,
                "split": split,
                "revisions": revisions,
                "names": names,
            },
            key=idempotency_key,
        )

    def download_export_of_run(self, project_id: int, run_id: int) -> Download:
        """The file that a run has written; it is kept for some days."""
        return self._file("GET", f"/projects/{project_id}/exports/{run_id}/file")

    def preview_export(
        self,
        project_id: int,
        *,
        outcome: Literal["first", "second", "tie", "both_bad"] | None = None,
        annotator: int | None = None,
        purpose: Literal["train", "check", "evaluation", "chat"] | None = None,
        late: bool | None = None,
        commented: bool | None = None,
        layout: Literal["everything", "trl", "trl-conversational", "sft", "label-studio"] | None = None,
        format: Literal["jsonl", "json", "csv", "excel", "parquet", "dataset"] | None = None,
        files: Literal["one", "splits"] | None = None,
        rows: Literal["labels", "pairs"] | None = None,
        question: str | None = None,
        ties: bool | None = None,
        split: Literal["train", "holdout"] | None = None,
        revisions: bool | None = None,
        names: bool | None = None,
    ) -> models.ExportPreview:
        """The first three rows.

        `outcome`: Only labels with this choice on the main question.
        `annotator`: Only labels of the annotator with this number; below zero it is an imported annotator's.
        `purpose`: Only labels on items of this purpose.
        `late`: Only labels given after their lease had ended.
        `commented`: Only labels with a comment.
        `layout`: everything: all there is, can be imported again; trl: prompt, chosen, rejected as text; trl-
            conversational: the same as messages; sft: prompt and completion, of responses that people wrote;
            label-studio: tasks with annotations.
        `format`: jsonl (the default), json: a list (Label Studio's), csv, excel: CSV for spreadsheets, parquet,
            dataset: a DatasetDict folder in a ZIP archive.
        `files`: splits: train and test, a file each, with a dataset card, in a ZIP archive.
        `rows`: Of TRL's layouts. labels: a row for each label; pairs: a row for each pair of responses, with the
            share of its raters that prefer the chosen one.
        `question`: Of TRL's layouts: the id of the question; empty: the main one.
        `ties`: Of TRL's layouts: rows of equal responses too, with the preference 0.5.
        `split`: Only labels on prompts of this split.
        `revisions`: Of everything: labels that were changed or withdrawn later, too.
        `names`: People by name, beside their numbers.
        """
        return self._one(
            models.ExportPreview,
            "GET",
            f"/projects/{project_id}/exports/preview",
            query={
                "outcome": outcome,
                "annotator": annotator,
                "purpose": purpose,
                "late": late,
                "commented": commented,
                "layout": layout,
                "format": format,
                "files": files,
                "rows": rows,
                "question": question,
                "ties": ties,
                "split": split,
                "revisions": revisions,
                "names": names,
            },
        )

    def show_snapshot(self, project_id: int, snapshot_id: int) -> models.SnapshotView:
        """A snapshot of labels, whose labels are read and compared with its hash."""
        return self._one(models.SnapshotView, "GET", f"/projects/{project_id}/snapshots/{snapshot_id}")

    def list_rewards(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.ModelView]:
        """The project's reward models, newest first. `metrics.report` compares a model with all labels."""
        return self._pages(models.ModelView, f"/projects/{project_id}/rewards", query={"before": before}, limit=limit)

    def show_label_counts(self, project_id: int) -> models.LabelCounts:
        """Usable pairs on either side as of the last training where there was one, and the labels since."""
        return self._one(models.LabelCounts, "GET", f"/projects/{project_id}/rewards/labels")

    def show_reward(self, project_id: int, model_id: int) -> models.ModelView:
        """One reward model."""
        return self._one(models.ModelView, "GET", f"/projects/{project_id}/rewards/{model_id}")

    def score_responses(self, project_id: int, model_id: int, *, idempotency_key: str | None = None) -> models.RunView:
        """Score the responses that came since, and measure the model again."""
        return self._one(
            models.RunView, "POST", f"/projects/{project_id}/rewards/{model_id}/scores", key=idempotency_key
        )

    def score_text(
        self,
        project_id: int,
        model_id: int,
        *,
        prompt: str,
        response: str,
        idempotency_key: str | None = None,
    ) -> models.RunView:
        """Score any response: the score is in `summary.scores` of the run once it has succeeded."""
        return self._one(
            models.RunView,
            "POST",
            f"/projects/{project_id}/rewards/{model_id}/score",
            body={"prompt": prompt, "response": response},
            key=idempotency_key,
        )

    def ask_disputed_again(
        self,
        project_id: int,
        model_id: int,
        item_id: int,
        *,
        idempotency_key: str | None = None,
    ) -> models.DisputedAskedAgain:
        """Send a disputed pair to one more person."""
        return self._one(
            models.DisputedAskedAgain,
            "POST",
            f"/projects/{project_id}/rewards/{model_id}/disputed/{item_id}",
            key=idempotency_key,
        )

    def list_policies(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.ModelView]:
        """The project's policies, newest first. The current one is the project's `policy_id`; null: the base model."""
        return self._pages(models.ModelView, f"/projects/{project_id}/policies", query={"before": before}, limit=limit)

    def compare_policies(self, project_id: int, *, labels: int | None = None) -> models.ComparedPolicies:
        """Policies that learned from the same labels, by whatever method, side by side.

        `labels`: The snapshot of labels; the newest that a policy has learned from.
        """
        return self._one(
            models.ComparedPolicies, "GET", f"/projects/{project_id}/policies/compare", query={"labels": labels}
        )

    def measure_policies(
        self,
        project_id: int,
        *,
        labels: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.RunView:
        """Have the newest reward model score what all of them respond to the same holdout prompts.

        `labels`: The snapshot of labels; the newest that a policy has learned from.
        """
        return self._one(
            models.RunView,
            "POST",
            f"/projects/{project_id}/policies/compare",
            body={"labels": labels},
            key=idempotency_key,
        )

    def roll_back_policy(self, project_id: int, *, idempotency_key: str | None = None) -> models.ModelView:
        """Go back to the policy that was the current one before; answers with it."""
        return self._one(models.ModelView, "POST", f"/projects/{project_id}/policies/roll-back", key=idempotency_key)

    def show_evaluation(self, project_id: int, run_id: int) -> models.EvaluationView:
        """An evaluation's result so far."""
        return self._one(models.EvaluationView, "GET", f"/projects/{project_id}/policies/evaluations/{run_id}")

    def show_policy(self, project_id: int, model_id: int) -> models.LineageView:
        """One policy."""
        return self._one(models.LineageView, "GET", f"/projects/{project_id}/policies/{model_id}")

    def start_evaluation(
        self,
        project_id: int,
        model_id: int,
        *,
        baseline_id: int | Omit | None = OMIT,
        other_ids: list[int] | Omit = OMIT,
        comparisons: int | Omit = OMIT,
        overlap: int | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.RunView:
        """Send items of this policy and another (where none is named: the current one) to the annotators: pairs, or
        rankings where `other_ids` names more.

        `baseline_id`: Blank: the current policy.
        `other_ids`: Further models: people then rank the answers of all of them.
        `comparisons`: Pairs, or rankings, on holdout prompts.
        `overlap`: People asked about each.
        """
        return self._one(
            models.RunView,
            "POST",
            f"/projects/{project_id}/policies/{model_id}/evaluations",
            body={"baseline_id": baseline_id, "other_ids": other_ids, "comparisons": comparisons, "overlap": overlap},
            key=idempotency_key,
        )

    def promote_policy(
        self,
        project_id: int,
        model_id: int,
        *,
        confirm_without_evaluation: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ModelView:
        """Make this the current policy. 409 where nothing speaks for it and `confirm_without_evaluation` is not set."""
        return self._one(
            models.ModelView,
            "POST",
            f"/projects/{project_id}/policies/{model_id}/promote",
            body={"confirm_without_evaluation": confirm_without_evaluation},
            key=idempotency_key,
        )

    def list_methods(self, project_id: int) -> Pages[models.MethodView]:
        """The methods of training, all of them; `missing` says what is in the way of starting one now."""
        return self._pages(models.MethodView, f"/projects/{project_id}/methods", paged=False)

    def start_training(
        self,
        project_id: int,
        *,
        method: str,
        settings: dict[str, bool | int | float | str | list[str] | None] | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.RunView:
        """Start a training by a method."""
        return self._one(
            models.RunView,
            "POST",
            f"/projects/{project_id}/runs",
            body={"method": method, "settings": settings},
            key=idempotency_key,
        )

    def list_runs(
        self,
        project_id: int,
        *,
        before: int | None = None,
        tag: str | None = None,
        search: str | None = None,
        kind: Literal["preparation", "sampling", "training", "scoring", "evaluation", "import", "undo", "export"]
        | None = None,
        method: str | None = None,
        state: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"] | None = None,
        sort: Literal["state", "-state", "took", "-took", "queued", "-queued"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.RunView]:
        """The project's runs, newest first or in another order."""
        return self._pages(
            models.RunView,
            f"/projects/{project_id}/runs",
            query={
                "before": before,
                "tag": tag,
                "search": search,
                "kind": kind,
                "method": method,
                "state": state,
                "sort": sort,
            },
            limit=limit,
        )

    def estimate_training(
        self,
        project_id: int,
        *,
        method: str,
        settings: dict[str, bool | int | float | str | list[str] | None] | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.EstimateView:
        """How long a training with these settings will take. Nothing is started."""
        return self._one(
            models.EstimateView,
            "POST",
            f"/projects/{project_id}/runs/estimate",
            body={"method": method, "settings": settings},
            key=idempotency_key,
        )

    def compare_runs(self, project_id: int, *, run: list[int], sort: str | None = None) -> models.ComparisonView:
        """Up to eight runs beside each other: the settings in which they differ, and the best that each reached."""
        return self._one(
            models.ComparisonView, "GET", f"/projects/{project_id}/runs/compare", query={"run": run, "sort": sort}
        )

    def list_all_runs(
        self,
        *,
        before: int | None = None,
        tag: str | None = None,
        search: str | None = None,
        kind: Literal["preparation", "sampling", "training", "scoring", "evaluation", "import", "undo", "export"]
        | None = None,
        method: str | None = None,
        state: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"] | None = None,
        sort: Literal["state", "-state", "took", "-took", "queued", "-queued"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.RunView]:
        """The runs of all projects that I manage, newest first or in another order; for administrators those of the
        installation too.
        """
        return self._pages(
            models.RunView,
            "/runs",
            query={
                "before": before,
                "tag": tag,
                "search": search,
                "kind": kind,
                "method": method,
                "state": state,
                "sort": sort,
            },
            limit=limit,
        )

    def find_run(self, run_id: int) -> models.RunView:
        """One run of any project that I manage."""
        return self._one(models.RunView, "GET", f"/runs/{run_id}")

    def change_runs(
        self,
        project_id: int,
        *,
        action: Literal["cancel", "resume", "delete"],
        tag: str | Omit | None = OMIT,
        search: str | Omit = OMIT,
        kind: Literal["preparation", "sampling", "training", "scoring", "evaluation", "import", "undo", "export"]
        | Omit
        | None = OMIT,
        method: str | Omit | None = OMIT,
        state: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"] | Omit | None = OMIT,
        ids: list[int] | Omit = OMIT,
        all: bool | Omit = OMIT,
        upto: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.BulkDone:
        """Do one thing to many runs: cancel, resume or delete them. Up to 200 a call.

        `ids`: These rows.
        `all`: All rows that the filter finds, instead of `ids`.
        `upto`: Of all: only rows up to this number, as the last response had it.
        """
        return self._one(
            models.BulkDone,
            "POST",
            f"/projects/{project_id}/runs/bulk",
            body={
                "tag": tag,
                "search": search,
                "kind": kind,
                "method": method,
                "state": state,
                "ids": ids,
                "all": all,
                "upto": upto,
                "action": action,
            },
            key=idempotency_key,
        )

    def show_run(self, project_id: int, run_id: int) -> models.RunView:
        """One run."""
        return self._one(models.RunView, "GET", f"/projects/{project_id}/runs/{run_id}")

    def describe_run(
        self,
        project_id: int,
        run_id: int,
        *,
        name: str | Omit = OMIT,
        tags: list[str] | Omit = OMIT,
        note: str | Omit = OMIT,
    ) -> models.RunView:
        """Give a run a name, tags or a note; what is left out stays."""
        return self._one(
            models.RunView,
            "PATCH",
            f"/projects/{project_id}/runs/{run_id}",
            body={"name": name, "tags": tags, "note": note},
        )

    def delete_run(self, project_id: int, run_id: int) -> None:
        """Delete an ended run with its folder."""
        self._none("DELETE", f"/projects/{project_id}/runs/{run_id}")

    def show_run_metrics(self, project_id: int, run_id: int, *, since: int | None = None) -> models.CurvesView:
        """The run's curves from a step on; long ones are thinned."""
        return self._one(
            models.CurvesView, "GET", f"/projects/{project_id}/runs/{run_id}/metrics", query={"since": since}
        )

    def list_run_samples(self, project_id: int, run_id: int, *, step: int | None = None) -> Pages[models.SampleView]:
        """All that the policy said at a step; at the last one where none is given.

        `step`: The last one where none is given.
        """
        return self._pages(
            models.SampleView, f"/projects/{project_id}/runs/{run_id}/samples", query={"step": step}, paged=False
        )

    def show_run_log(self, project_id: int, run_id: int) -> models.LogView:
        """The end of the run's log."""
        return self._one(models.LogView, "GET", f"/projects/{project_id}/runs/{run_id}/log")

    def cancel_run(self, project_id: int, run_id: int, *, idempotency_key: str | None = None) -> models.RunView:
        """Stop at the next step, keeping the checkpoint."""
        return self._one(models.RunView, "POST", f"/projects/{project_id}/runs/{run_id}/cancel", key=idempotency_key)

    def resume_run(self, project_id: int, run_id: int, *, idempotency_key: str | None = None) -> models.RunView:
        """Go on from the last checkpoint."""
        return self._one(models.RunView, "POST", f"/projects/{project_id}/runs/{run_id}/resume", key=idempotency_key)

    def clone_run(self, project_id: int, run_id: int, *, idempotency_key: str | None = None) -> models.RunView:
        """Queue a new run with the same inputs and settings."""
        return self._one(models.RunView, "POST", f"/projects/{project_id}/runs/{run_id}/clone", key=idempotency_key)

    def list_conversations(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.ConversationHead]:
        """My conversations, newest first."""
        return self._pages(
            models.ConversationHead, f"/projects/{project_id}/chat", query={"before": before}, limit=limit
        )

    def begin_conversation(
        self,
        project_id: int,
        *,
        content: str | Omit = OMIT,
        consent: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ConversationView:
        """Start a conversation; it comes back with its first response.

        `consent`: Of a new conversation: may its prompts and choices be used for training.
        """
        return self._one(
            models.ConversationView,
            "POST",
            f"/projects/{project_id}/chat",
            body={"content": content, "consent": consent},
            key=idempotency_key,
        )

    def list_choices(
        self,
        project_id: int,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Pages[models.SharedChoiceView]:
        """Choices between two responses in conversations whose person shares them, as preference pairs."""
        return self._pages(
            models.SharedChoiceView, f"/projects/{project_id}/chat-choices", query={"before": before}, limit=limit
        )

    def show_conversation(self, project_id: int, conversation_id: int) -> models.ConversationView:
        """One of my conversations with all its turns."""
        return self._one(models.ConversationView, "GET", f"/projects/{project_id}/chat/{conversation_id}")

    def delete_conversation(self, project_id: int, conversation_id: int) -> None:
        """Delete a conversation for good."""
        self._none("DELETE", f"/projects/{project_id}/chat/{conversation_id}")

    def send_message(
        self,
        project_id: int,
        conversation_id: int,
        *,
        content: str | Omit = OMIT,
        consent: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ConversationView:
        """Say something more.

        `consent`: Of a new conversation: may its prompts and choices be used for training.
        """
        return self._one(
            models.ConversationView,
            "POST",
            f"/projects/{project_id}/chat/{conversation_id}/messages",
            body={"content": content, "consent": consent},
            key=idempotency_key,
        )

    def regenerate_response(
        self,
        project_id: int,
        conversation_id: int,
        turn_id: int,
        *,
        idempotency_key: str | None = None,
    ) -> models.ConversationView:
        """Have the last response written anew."""
        return self._one(
            models.ConversationView,
            "POST",
            f"/projects/{project_id}/chat/{conversation_id}/turns/{turn_id}/regenerate",
            key=idempotency_key,
        )

    def stop_response(
        self,
        project_id: int,
        conversation_id: int,
        turn_id: int,
        *,
        idempotency_key: str | None = None,
    ) -> models.ConversationView:
        """Stop a response that is being written."""
        return self._one(
            models.ConversationView,
            "POST",
            f"/projects/{project_id}/chat/{conversation_id}/turns/{turn_id}/stop",
            key=idempotency_key,
        )

    def rate_response(
        self,
        project_id: int,
        conversation_id: int,
        turn_id: int,
        *,
        thumb: Literal["up", "down", "none"],
        idempotency_key: str | None = None,
    ) -> models.ConversationView:
        """A thumb up or down, or none."""
        return self._one(
            models.ConversationView,
            "POST",
            f"/projects/{project_id}/chat/{conversation_id}/turns/{turn_id}/thumb",
            body={"thumb": thumb},
            key=idempotency_key,
        )

    def choose_response(
        self,
        project_id: int,
        conversation_id: int,
        turn_id: int,
        *,
        choice: Literal["first", "second", "tie"],
        idempotency_key: str | None = None,
    ) -> models.ConversationView:
        """Say which of two responses is better; `turn_id` is the newer one."""
        return self._one(
            models.ConversationView,
            "POST",
            f"/projects/{project_id}/chat/{conversation_id}/turns/{turn_id}/choose",
            body={"choice": choice},
            key=idempotency_key,
        )

    def set_consent(
        self,
        project_id: int,
        conversation_id: int,
        *,
        consent: bool | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ConversationHead:
        """Say whether this conversation's prompts and choices may be used for training."""
        return self._one(
            models.ConversationHead,
            "POST",
            f"/projects/{project_id}/chat/{conversation_id}/consent",
            body={"consent": consent},
            key=idempotency_key,
        )

    def list_base_models(
        self,
        *,
        before: int | None = None,
        kind: Literal["base", "policy", "reward"] | None = None,
        state: Literal["preparing", "ready", "failed", "archived"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.ModelView]:
        """The base models of the store, newest first. For administrators."""
        return self._pages(
            models.ModelView, "/models", query={"before": before, "kind": kind, "state": state}, limit=limit
        )

    def register_base_model(self, *, source: str, idempotency_key: str | None = None) -> models.ModelView:
        """Fetch a base model from the hub or a folder, and offer it to all projects. It is there before where the
        same source was named before.

        `source`: The id of a model on the hub, or a folder on this server inside one of HONE_MODEL_FOLDERS.
        """
        return self._one(models.ModelView, "POST", "/models", body={"source": source}, key=idempotency_key)

    def show_base_model(self, model_id: int) -> models.ModelView:
        """One base model."""
        return self._one(models.ModelView, "GET", f"/models/{model_id}")

    def download_base_model(self, model_id: int) -> Download:
        """The model's Hugging Face folder as a tar file."""
        return self._file("GET", f"/models/{model_id}/file")

    def retry_base_model(self, model_id: int, *, idempotency_key: str | None = None) -> models.ModelView:
        """Fetch a base model again that could not be fetched."""
        return self._one(models.ModelView, "POST", f"/models/{model_id}/retry", key=idempotency_key)

    def retire_base_model(self, model_id: int, *, idempotency_key: str | None = None) -> models.ModelView:
        """Take a base model out of all choices and delete its files; the record stays. Not while a project has it."""
        return self._one(models.ModelView, "POST", f"/models/{model_id}/retire", key=idempotency_key)

    def list_models(
        self,
        project_id: int,
        *,
        before: int | None = None,
        search: str | None = None,
        kind: Literal["base", "policy", "reward"] | None = None,
        state: Literal["preparing", "ready", "failed", "archived"] | None = None,
        answering: bool | None = None,
        sort: Literal["name", "-name", "made", "-made"] | None = None,
        limit: int | None = None,
    ) -> Pages[models.ModelView]:
        """The project's policies and reward models and its base model, newest first or in another order, retired
        ones among them; or (`answering`) the models that may be asked in it, endpoints among them.

        `search`: Only models with this in their name.
        `answering`: Those that a sampling plan, a blind evaluation or chat may name.
        """
        return self._pages(
            models.ModelView,
            f"/projects/{project_id}/models",
            query={
                "before": before,
                "search": search,
                "kind": kind,
                "state": state,
                "answering": answering,
                "sort": sort,
            },
            limit=limit,
        )

    def register_model(
        self,
        project_id: int,
        *,
        source: str,
        kind: Literal["policy", "reward"],
        name: str | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.ModelView:
        """Fetch a policy or a reward model from the hub or a folder, for this project. Its run tells how that goes;
        a reward model then scores the project's responses. For administrators.

        `source`: The id of a model on the hub, or a folder on this server inside one of HONE_MODEL_FOLDERS.
        `kind`: reward: a classifier with one label, which scores responses.
        `name`: Blank: as its folder or its hub id ends.
        """
        return self._one(
            models.ModelView,
            "POST",
            f"/projects/{project_id}/models",
            body={"source": source, "kind": kind, "name": name},
            key=idempotency_key,
        )

    def change_models(
        self,
        project_id: int,
        *,
        action: Literal["retire"],
        search: str | Omit = OMIT,
        kind: Literal["base", "policy", "reward"] | Omit | None = OMIT,
        state: Literal["preparing", "ready", "failed", "archived"] | Omit | None = OMIT,
        ids: list[int] | Omit = OMIT,
        all: bool | Omit = OMIT,
        upto: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.BulkDone:
        """Do one thing to many models of the project: retire them. Up to 200 a call.

        `search`: Only models with this in their name.
        `ids`: These rows.
        `all`: All rows that the filter finds, instead of `ids`.
        `upto`: Of all: only rows up to this number, as the last response had it.
        """
        return self._one(
            models.BulkDone,
            "POST",
            f"/projects/{project_id}/models/bulk",
            body={
                "search": search,
                "kind": kind,
                "state": state,
                "ids": ids,
                "all": all,
                "upto": upto,
                "action": action,
            },
            key=idempotency_key,
        )

    def show_model(self, project_id: int, model_id: int) -> models.ModelView:
        """One model of the project."""
        return self._one(models.ModelView, "GET", f"/projects/{project_id}/models/{model_id}")

    def download_model(self, project_id: int, model_id: int) -> Download:
        """The model's Hugging Face folder as a tar file: what it holds, `from_pretrained` loads."""
        return self._file("GET", f"/projects/{project_id}/models/{model_id}/file")

    def retry_model(self, project_id: int, model_id: int, *, idempotency_key: str | None = None) -> models.ModelView:
        """Fetch a model again that could not be fetched."""
        return self._one(
            models.ModelView, "POST", f"/projects/{project_id}/models/{model_id}/retry", key=idempotency_key
        )

    def retire_model(self, project_id: int, model_id: int, *, idempotency_key: str | None = None) -> models.ModelView:
        """Take a policy or a reward model out of all choices and delete its files; the record stays. Not while it is
        in use or a run needs it.
        """
        return self._one(
            models.ModelView, "POST", f"/projects/{project_id}/models/{model_id}/retire", key=idempotency_key
        )

    def change_base_model(
        self,
        project_id: int,
        *,
        base_model: str,
        idempotency_key: str | None = None,
    ) -> models.ModelView:
        """Have the project start from another base model; the one that it has is fetched again where that failed.
        Labels, snapshots, policies and reward models stay, and a promoted policy stays current.

        `base_model`: builtin:…, tiny:<number>, a folder on the server, or a hub id.
        """
        return self._one(
            models.ModelView,
            "POST",
            f"/projects/{project_id}/base-model",
            body={"base_model": base_model},
            key=idempotency_key,
        )

    def list_endpoints(self, *, before: int | None = None, limit: int | None = None) -> Pages[models.EndpointView]:
        """All endpoints, newest first. For administrators."""
        return self._pages(models.EndpointView, "/endpoints", query={"before": before}, limit=limit)

    def register_endpoint(
        self,
        *,
        name: str,
        base_url: str,
        served_name: str,
        key_name: str | Omit | None = OMIT,
        requests_per_minute: int | Omit = OMIT,
        at_once: int | Omit = OMIT,
        token_limit: int | Omit | None = OMIT,
        price_in: float | Omit | None = OMIT,
        price_out: float | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.EndpointView:
        """Offer a model behind an OpenAI-compatible API to all projects.

        `name`: What managers see; annotators never do.
        `base_url`: Up to /v1, before /chat/completions.
        `key_name`: Its name in the list of keys; blank where the API asks for none.
        `requests_per_minute`: Over all runs.
        `at_once`: By one run.
        `token_limit`: Of prompts and answers together, in all; raise it to go on. Blank: no limit.
        `price_in`: Only shown.
        `price_out`: Only shown.
        `served_name`: As the API names it.
        """
        return self._one(
            models.EndpointView,
            "POST",
            "/endpoints",
            body={
                "name": name,
                "base_url": base_url,
                "key_name": key_name,
                "requests_per_minute": requests_per_minute,
                "at_once": at_once,
                "token_limit": token_limit,
                "price_in": price_in,
                "price_out": price_out,
                "served_name": served_name,
            },
            key=idempotency_key,
        )

    def show_endpoint(self, model_id: int) -> models.EndpointView:
        """One endpoint."""
        return self._one(models.EndpointView, "GET", f"/endpoints/{model_id}")

    def change_endpoint(
        self,
        model_id: int,
        *,
        name: str | Omit | None = OMIT,
        base_url: str | Omit | None = OMIT,
        key_name: str | Omit | None = OMIT,
        requests_per_minute: int | Omit = OMIT,
        at_once: int | Omit = OMIT,
        token_limit: int | Omit | None = OMIT,
        price_in: float | Omit | None = OMIT,
        price_out: float | Omit | None = OMIT,
    ) -> models.EndpointView:
        """Change an endpoint; what is left out stays. Another model is another endpoint.

        `key_name`: Its name in the list of keys; blank where the API asks for none.
        `requests_per_minute`: Over all runs.
        `at_once`: By one run.
        `token_limit`: Of prompts and answers together, in all; raise it to go on. Blank: no limit.
        `price_in`: Only shown.
        `price_out`: Only shown.
        """
        return self._one(
            models.EndpointView,
            "PATCH",
            f"/endpoints/{model_id}",
            body={
                "name": name,
                "base_url": base_url,
                "key_name": key_name,
                "requests_per_minute": requests_per_minute,
                "at_once": at_once,
                "token_limit": token_limit,
                "price_in": price_in,
                "price_out": price_out,
            },
        )

    def retire_endpoint(self, model_id: int, *, idempotency_key: str | None = None) -> models.EndpointView:
        """Ask it nothing more; its responses stay."""
        return self._one(models.EndpointView, "POST", f"/endpoints/{model_id}/retire", key=idempotency_key)

    def try_endpoint(self, model_id: int, *, idempotency_key: str | None = None) -> models.EndpointView:
        """Ask it one short question now; `tried_said` of the response tells how it went."""
        return self._one(models.EndpointView, "POST", f"/endpoints/{model_id}/try", key=idempotency_key)

    def show_project_deletion(self, project_id: int) -> models.DeletionView:
        """What deleting the project would do. For its managers."""
        return self._one(models.DeletionView, "GET", f"/projects/{project_id}/deletion")

    def delete_project(self, project_id: int, *, name: str, idempotency_key: str | None = None) -> None:
        """Delete an archived project for good, with all that is in it. Nobody finds it from then on; its rows and
        files go in parts. For its managers.

        `name`: The project's name, to say that this one is meant.
        """
        self._none("POST", f"/projects/{project_id}/delete", body={"name": name}, key=idempotency_key)

    def show_person_deletion(
        self,
        user_id: int,
        *,
        labels: Literal["keep", "delete"] | None = None,
    ) -> models.DeletionView:
        """What deleting a person would do. For administrators.

        `labels`: keep: their labels stay, under a number; delete: they go, and what was made of them follows.
        """
        return self._one(models.DeletionView, "GET", f"/users/{user_id}/deletion", query={"labels": labels})

    def delete_person(
        self,
        user_id: int,
        *,
        email: str,
        labels: Literal["keep", "delete"] | Omit = OMIT,
        idempotency_key: str | None = None,
    ) -> None:
        """Delete what says who a person is for good; their chats, and labels that are to go, do so in parts, and
        what a deletion would do says how many are left. For administrators.

        `email`: The person's e-mail, to say that this one is meant.
        `labels`: keep: their labels stay, under a number; delete: they go, and what was made of them follows.
        """
        self._none("POST", f"/users/{user_id}/delete", body={"email": email, "labels": labels}, key=idempotency_key)

    def show_conversation_deletion(self, project_id: int, conversation_id: int) -> models.DeletionView:
        """What deleting one of my conversations would do."""
        return self._one(models.DeletionView, "GET", f"/projects/{project_id}/chat/{conversation_id}/deletion")

    def list_deletions(self) -> Pages[models.GoingView]:
        """What is being deleted in parts, those first that began first. For administrators."""
        return self._pages(models.GoingView, "/deletions", paged=False)

    def show_retention(self, *, runs: int | None = None, chats: int | None = None) -> models.RetentionView:
        """What a rule of retention would delete. Changes nothing. For administrators.

        `runs`: Days after a run's end for which its folder is kept.
        `chats`: Days after its last turn for which a conversation is kept.
        """
        return self._one(models.RetentionView, "GET", "/retention", query={"runs": runs, "chats": chats})

    def apply_retention(
        self,
        *,
        runs: int | Omit | None = OMIT,
        chats: int | Omit | None = OMIT,
        idempotency_key: str | None = None,
    ) -> models.RetentionView:
        """Delete what is older than this; what was deleted. For administrators.

        `runs`: Days after a run's end for which its folder is kept.
        `chats`: Days after its last turn for which a conversation is kept.
        """
        return self._one(
            models.RetentionView, "POST", "/retention", body={"runs": runs, "chats": chats}, key=idempotency_key
        )

    def show_learning(self, project_id: int) -> models.LearningView:
        """What labels teach, as they come."""
        return self._one(models.LearningView, "GET", f"/projects/{project_id}/learning")

    def show_overview(
        self,
        *,
        sort: Literal["attention", "name", "today", "week", "labels", "agreement", "queue", "runs", "newest"]
        | None = None,
    ) -> models.OverviewView:
        """The projects that one manages at a glance, with what each needs. Archived ones are not among them."""
        return self._one(models.OverviewView, "GET", "/overview", query={"sort": sort})

    def show_loop(self, project_id: int) -> models.LoopView:
        """The overview in numbers."""
        return self._one(models.LoopView, "GET", f"/projects/{project_id}/loop")
