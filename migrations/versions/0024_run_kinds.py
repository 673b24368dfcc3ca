"""Every kind of run has a config of its own, and preparing a base model is one

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_KINDS = "preparation", "sampling", "training", "scoring", "evaluation"

_SAMPLER = """
create function pg_temp.sampler(settings jsonb) returns jsonb language sql as $$
    select jsonb_object_agg(name, coalesce(settings -> name, usual)) from (values
        ('strategy', '"mixed"'::jsonb), ('temperature', '1'), ('top_p', '1'), ('top_k', '0'),
        ('max_new_tokens', '256'), ('n', '2'), ('seed', '0')) known (name, usual)
$$
"""

_CONFIGS = (
    """
    update run set config = jsonb_build_object('kind', 'sampling',
        'prompt_ids', coalesce(config -> 'prompt_ids', '[]'), 'settings', pg_temp.sampler(config -> 'settings'),
        'item_kind', coalesce(config -> 'kind', '"comparison"'), 'across', coalesce(config -> 'across', 'true'),
        'others', coalesce((
            select jsonb_agg(jsonb_build_object('model_id', other -> 'model_id', 'settings',
                pg_temp.sampler(other -> 'settings')) order by place)
            from jsonb_array_elements(config -> 'others') with ordinality listed (other, place)), '[]'))
    where kind = 'sampling'
    """,
    """
    update run set config = jsonb_build_object('kind', 'evaluation',
        'prompt_ids', coalesce(config -> 'prompt_ids', '[]'), 'comparisons', coalesce(config -> 'comparisons', '1'),
        'overlap', coalesce(config -> 'overlap', '1'), 'settings', pg_temp.sampler(config -> 'settings'))
    where kind = 'evaluation' and config ->> 'task' is distinct from 'score'
    """,
    """
    update run set kind = 'scoring', config = jsonb_build_object('kind', 'scoring', 'texts', (
        select jsonb_agg(jsonb_build_object('prompt', text -> 'prompt', 'response', text -> 'response') order by place)
        from jsonb_array_elements(config -> 'rows') with ordinality rows (text, place)))
    where kind = 'evaluation' and config ->> 'task' = 'score'
    """,
    """
    update run set method = case kind when 'reward' then 'reward' else 'ppo' end, kind = 'training',
        config = jsonb_build_object('kind', 'training', 'settings', coalesce(config -> 'settings', '{}'), 'options',
            case kind when 'reward' then jsonb_build_object('aggregation', coalesce(config -> 'aggregation', '"mean"'),
                'question', coalesce(config -> 'question', '""')) else '{}' end)
    where kind in ('reward', 'policy')
    """,
    # One that failed can be tried again from its page, one that waits is sent by the next sweep.
    """
    insert into run (kind, state, config, model_id, automatic, error, ended_at)
    select 'preparation', case state when 'failed' then 'failed' else 'queued' end,
        jsonb_build_object('kind', 'preparation', 'source', source), id, true, error,
        case state when 'failed' then now() end
    from model where kind = 'base' and state in ('preparing', 'failed') and source is not null
    """,
)


def upgrade() -> None:
    op.execute("alter table run drop constraint ck_run_runkind")
    op.alter_column("run", "project_id", nullable=True)
    op.add_column("run", sa.Column("method", sa.String(64)))
    op.execute(_SAMPLER)
    for statement in _CONFIGS:
        op.execute(sa.text(statement))
    op.create_check_constraint("runkind", "run", sa.column("kind").in_(_KINDS))
    op.create_check_constraint("method", "run", "(kind = 'training') = (method is not null)")
    op.create_check_constraint("project", "run", "(kind = 'preparation') = (project_id is null)")


def downgrade() -> None:
    raise RuntimeError("This step has no way back: restore the dump that was made before the upgrade.")
