"""Whatever a page does or shows, the API and `hone` do too. A route of a page that is added without them fails here."""

from app.main import app as pages
from app.web.guard import access_by_route
from app.web.routing import CALLS as API
from hone_client import Client
from workers.cli.calls import commands
from workers.cli.main import app as hone

# Page action -> the operation that does the same, without `/projects/{project_id}` where it is within a project.
ACTIONS = {
    "POST /account": "change_me",
    "POST /account/keys": "set_my_keys",
    "POST /account/password": "set_my_password",
    "POST /account/sign-out-elsewhere": "sign_out_elsewhere",
    "POST /account/sessions/{session_id}/end": "end_session",
    "POST /account/tokens": "create_token",
    "POST /account/tokens/{token_id}/revoke": "revoke_token",
    "POST /users/{user_id}/disable": "change_user",
    "POST /users/{user_id}/enable": "change_user",
    "POST /users/{user_id}/make-admin": "change_user",
    "POST /users/{user_id}/remove-admin": "change_user",
    "POST /users/{user_id}/reset": "reset_sign_in",
    "POST /users/{user_id}/sign-out": "sign_person_out",
    "POST /users/{user_id}/delete": "delete_person",
    "POST …/delete": "delete_project",
    "POST /retention": "apply_retention",
    "POST /endpoints": "register_endpoint",
    "POST /endpoints/{model_id}": "change_endpoint",
    "POST /endpoints/{model_id}/retire": "retire_endpoint",
    "POST /endpoints/{model_id}/try": "try_endpoint",
    "POST /projects/new": "create_project",
    "POST …/clone": "clone_project",
    "POST …/first-round": "change_project",
    "POST …/settings/name": "change_project",
    "POST …/base-model": "change_base_model",
    "POST …/settings/quotas": "change_quotas",
    "POST …/settings/{part}": "change_project",
    "POST …/settings/archive": "archive_project",
    "POST …/settings/unarchive": "restore_project",
    "POST …/guidelines": "change_project",
    "POST …/invitations": "invite_person",
    "POST …/invitations/{invitation_id}/withdraw": "withdraw_invitation",
    "POST …/people/{user_id}/role": "change_member",
    "POST …/people/{user_id}/pause": "change_member",
    "POST …/people/{user_id}/resume": "change_member",
    "POST …/people/{user_id}/remove": "remove_member",
    "POST …/prompts/starter": "add_starter_prompts",
    "POST …/prompts/review": "review_prompts",
    "POST …/prompts/withdraw": "withdraw_prompts",
    "POST …/prompts/bulk": "change_prompts",
    "POST …/prompts/{prompt_id}/restore": "restore_prompt",
    "POST …/imports": "start_import",
    "POST …/imports/hub": "import_from_hub",
    "POST …/imports/{run_id}/rest": "import_rest",
    "POST …/imports/{run_id}/undo": "undo_import",
    "POST …/items/sample": "sample_items",
    "POST …/items/checks": "add_checks",
    "POST …/items/withdraw": "withdraw_items",
    "POST …/items/bulk": "change_items",
    "POST …/labels/bulk": "follow_up_labels",
    "POST …/people/bulk": "change_members",
    "POST …/runs/bulk": "change_runs",
    "POST …/models/bulk": "change_models",
    "POST …/items/again": "ask_items_again",
    "POST …/items/overlap": "adopt_overlap",
    "POST …/label": "save_label",
    "POST …/label/preview": "preview_label",
    "POST …/label/skip": "skip_item",
    "POST …/label/again": "take_skipped_again",
    "POST …/label/renew": "renew_lease",
    "POST …/flags": "raise_flag",
    "POST …/flags/{flag_id}/messages": "reply_to_flag",
    "POST …/flags/{flag_id}/close": "close_flag",
    "POST …/exports": "start_export",
    "POST …/rewards/{model_id}/scores": "score_responses",
    "POST …/rewards/{model_id}/score": "score_text",
    "POST …/rewards/{model_id}/disputed/{item_id}": "ask_disputed_again",
    "POST …/policies/compare": "measure_policies",
    "POST …/policies/roll-back": "roll_back_policy",
    "POST …/policies/{model_id}/evaluations": "start_evaluation",
    "POST …/policies/{model_id}/promote": "promote_policy",
    "POST …/models": "register_model",
    "POST …/models/{model_id}/retire": "retire_model",
    "POST …/models/{model_id}/retry": "retry_model",
    "POST /models": "register_base_model",
    "POST /models/{model_id}/retire": "retire_base_model",
    "POST /models/{model_id}/retry": "retry_base_model",
    "POST …/train/{method}": "start_training",
    "POST …/runs/{run_id}/words": "describe_run",
    "POST …/runs/{run_id}/cancel": "cancel_run",
    "POST …/runs/{run_id}/resume": "resume_run",
    "POST …/runs/{run_id}/clone": "clone_run",
    "POST …/runs/{run_id}/delete": "delete_run",
    "POST …/chat": "begin_conversation",
    "POST …/chat/{conversation_id}/messages": "send_message",
    "POST …/chat/{conversation_id}/turns/{turn_id}/regenerate": "regenerate_response",
    "POST …/chat/{conversation_id}/turns/{turn_id}/stop": "stop_response",
    "POST …/chat/{conversation_id}/turns/{turn_id}/thumb": "rate_response",
    "POST …/chat/{conversation_id}/turns/{turn_id}/choose": "choose_response",
    "POST …/chat/{conversation_id}/consent": "set_consent",
    "POST …/chat/{conversation_id}/delete": "delete_conversation",
}
# What a page or a file of it shows -> the operation that has it.
SHOWN = {
    "GET /": "show_overview",
    "GET /account": "list_tokens",
    "GET /account/keys": "show_my_keys",
    "GET /endpoints": "list_endpoints",
    "GET /endpoints/{model_id}": "show_endpoint",
    "GET /models": "list_base_models",
    "GET /models/{model_id}/file": "download_base_model",
    "GET /retention": "show_retention",
    "GET /system": "list_all_events",
    "GET /system/audit.csv": "list_all_events",
    "GET /users": "list_users",
    "GET /users/{user_id}/delete": "show_person_deletion",
    "GET …": "show_loop",
    "GET …/events": "show_loop",
    "GET …/audit": "list_events",
    "GET …/audit.csv": "list_events",
    "GET …/chat": "list_conversations",
    "GET …/chat/{conversation_id}": "show_conversation",
    "GET …/chat/{conversation_id}/turns/{turn_id}/events": "show_conversation",
    "GET …/chat/{conversation_id}/delete": "show_conversation_deletion",
    "GET …/delete": "show_project_deletion",
    "GET …/exports": "preview_export",
    "GET …/exports/file": "download_export",
    "GET …/exports/{run_id}/file": "download_export_of_run",
    "GET …/flags": "list_flags",
    "GET …/flags/news": "list_flags",
    "GET …/flags/{flag_id}": "show_flag",
    "GET …/guidelines": "show_project",
    "GET …/imports": "list_imports",
    "GET …/imports/{run_id}": "show_import",
    "GET …/imports/{run_id}/refused": "refused_rows",
    "GET …/instructions": "list_instructions",
    "GET …/instructions/{number}": "show_instructions",
    "GET …/items": "list_items",
    "GET …/items/{item_id}": "show_item",
    "GET …/label": "claim_item",
    "GET …/label/guidelines": "show_project",
    "GET …/label/undo": "list_my_labels",
    "GET …/labels": "list_labels",
    "GET …/labels/mine": "list_my_labels",
    "GET …/labels/mine/{item_id}": "list_my_labels",
    "GET …/labels/over-time": "show_labels_over_time",
    "GET …/labels/over-time.csv": "show_labels_over_time",
    "GET …/labels/quality": "show_quality",
    "GET …/labels/skips": "list_skips",
    "GET …/learning/events": "show_learning",
    "GET …/models": "list_models",
    "GET …/models/{model_id}/file": "download_model",
    "GET …/people": "list_members",
    "GET …/policies": "list_policies",
    "GET …/policies/compare": "compare_policies",
    "GET …/policies/evaluations/{run_id}": "show_evaluation",
    "GET …/policies/{model_id}": "show_policy",
    "GET …/prompts": "list_prompts",
    "GET …/prompts/review": "list_prompts",
    "GET …/prompts/{prompt_id}": "show_prompt",
    "GET …/rewards": "list_rewards",
    "GET …/rewards/{model_id}": "show_reward",
    "GET …/runs": "list_runs",
    "GET …/runs/compare": "compare_runs",
    "GET …/runs/events": "list_runs",
    "GET …/runs/points.csv": "show_run_metrics",
    "GET …/runs/{run_id}": "show_run",
    "GET …/runs/{run_id}/events": "show_run",
    "GET …/runs/{run_id}/log": "show_run_log",
    "GET …/runs/{run_id}/points": "show_run_metrics",
    "GET …/runs/{run_id}/samples": "list_run_samples",
    "GET …/settings": "show_project",
    "GET …/train/{method}": "list_methods",
    "GET …/train/{method}/estimate": "estimate_training",
}
# Forms alone, whose action stands above; and what the processes tell whoever watches over them, without an account.
FORMS = {
    "GET /projects/new", "GET …/clone", "GET …/guidelines/edit", "GET …/items/bulk", "GET …/labels/bulk",
    "GET …/models/bulk", "GET …/people/bulk", "GET …/prompts/bulk", "GET …/runs/bulk",
}  # fmt: skip
HEALTH = {"GET /healthz", "GET /livez", "GET /readyz", "GET /metrics"}
# What begins or ends a browser's session, for which a program has tokens (docs/decisions/0011), and what draws a text
# that is being written and keeps nothing.
OF_BROWSERS = {
    "GET /sign-in",
    "GET /sign-in/{token}",
    "GET /invitations/{token}",
    "POST /sign-in",
    "POST /sign-in/{token}",
    "POST /sign-out",
    "POST /invitations/{token}",
    "POST …/guidelines/preview",
}


def short(method: str, path: str) -> str:
    return f"{method} {path.replace('/projects/{project_id}', '…')}"


def of_pages() -> set[str]:
    """All routes that are no calls of the API, from the application itself."""
    routes = access_by_route(pages)
    return {short(method, path) for method, path in routes if not path.startswith("/api/") and method != "HEAD"}


def operations() -> set[str]:
    return {each["operationId"] for methods in pages.openapi()["paths"].values() for each in methods.values()}


def test_every_route_of_a_page_has_its_operation_and_no_other_is_listed() -> None:
    known = {*ACTIONS, *SHOWN, *FORMS, *HEALTH, *OF_BROWSERS}
    assert of_pages() - known == set()
    assert known - of_pages() == set()


def test_what_changes_something_is_an_action() -> None:
    changing = {route for route in of_pages() if not route.startswith("GET ")}
    assert changing - set(ACTIONS) - OF_BROWSERS == set()


def test_the_operations_are_there_and_in_the_client() -> None:
    assert {*ACTIONS.values(), *SHOWN.values()} - operations() == set()
    assert {name for name in operations() if not hasattr(Client, name)} == set()


def test_every_operation_has_its_command() -> None:
    done = {operation for _, _, does in commands(hone) for operation in does}
    assert done - operations() == set()
    assert operations() - done == set()


PROCESSES = {"hone up", "hone process", "hone demo"}
"""Commands that run until somebody stops them, or report as they go."""


def test_every_command_that_prints_anything_has_json() -> None:
    without = {
        words
        for words, command, _ in commands(hone)
        if not getattr(command, "commands", {})
        and not {flag for each in command.params for flag in each.opts} & {"--json", "--output"}
    }
    assert without == PROCESSES


def test_the_api_is_where_it_says() -> None:
    assert API == "/api/v1/"
    assert all(path.startswith(API) for path in pages.openapi()["paths"])
