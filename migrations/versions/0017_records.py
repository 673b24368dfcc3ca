"""Items show any number of responses in a drawn order; labels are typed by kind; preferences stand by themselves

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# `using` takes no sub-query, but functions. They go with the session.
_FUNCTIONS = """
create function pg_temp.shown(choice text, "left" text) returns text immutable language sql as $$
    select case when choice = "left" then 'first' when choice in ('a', 'b') then 'second' else choice end
$$;
create function pg_temp.value(choice text, "left" text, strength bigint, questions jsonb) returns jsonb
immutable language sql as $$
    select jsonb_build_object(
        'kind', 'comparison', 'choice', pg_temp.shown(choice, "left"), 'strength', strength,
        'questions', coalesce((select jsonb_object_agg(key, pg_temp.shown(value, "left"))
                               from jsonb_each_text(questions)), '{}'))
$$;
create function pg_temp.outcome(choice text) returns text immutable language sql as $$
    select case choice when 'a' then 'first' when 'b' then 'second' else choice end
$$;
create function pg_temp.probability(choice text) returns float8 immutable language sql as $$
    select case choice when 'a' then 1 when 'b' then 0 when 'tie' then 0.5 end
$$
"""
_ORDER = """
alter table {table} drop constraint ck_{table}_side,
    alter column "left" type smallint[] using case "left" when 'a' then '{{0,1}}'::smallint[] else '{{1,0}}' end;
alter table {table} rename column "left" to "order"
"""


def upgrade() -> None:
    for statement in _FUNCTIONS.split(";\n"):
        op.execute(statement)
    _items()
    _preferences()
    _labels()
    for table in ("assignment", "label"):
        for statement in _ORDER.format(table=table).split(";\n"):
            op.execute(statement)
    op.execute(
        "alter table turn_comparison rename constraint ck_turn_comparison_preference to ck_turn_comparison_turnchoice"
    )


def _items() -> None:
    op.create_table(
        "item_response",
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("response_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("position between 0 and 7", name=op.f("ck_item_response_position")),
    )
    op.execute(
        """
        insert into item_response (item_id, position, response_id)
        select item.id, shown.position, shown.response_id from item,
            lateral (values (0, response_a_id), (1, response_b_id)) as shown(position, response_id)
        """
    )
    op.create_primary_key(op.f("pk_item_response"), "item_response", ["item_id", "position"])
    for column, table in (("item_id", "item"), ("response_id", "response")):
        op.create_foreign_key(
            op.f(f"fk_item_response_{column}"), "item_response", table, [column], ["id"], ondelete="CASCADE"
        )
    op.create_index(op.f("ix_item_response_response_id"), "item_response", ["response_id"])
    for index in ("ix_item_queue", "ix_item_run_id", "uq_item_sampled"):
        op.drop_index(index, "item")
    op.execute(
        """
        alter table item add column kind varchar(32) not null default 'comparison',
            add column ordinal bigint not null default 0, add column level smallint not null default 2
        """
    )
    op.execute("alter table item alter column kind drop default")
    op.execute(
        """
        update item set level = case purpose when 'evaluation' then 0 else 1 end
        where purpose = 'evaluation' or purpose = 'train' and priority > 1
        """
    )
    op.execute(
        """
        alter table item drop constraint ck_item_side, drop column response_a_id, drop column response_b_id,
            alter column expected type jsonb using
                case expected when 'a' then '{"best": 0}'::jsonb when 'b' then '{"best": 1}'::jsonb end,
            alter column priority type float8 using
                case when purpose = 'train' and priority between 0 and 1 then 1 - priority else 0 end
        """
    )
    op.execute("alter table item rename column priority to rank")
    op.create_check_constraint("level", "item", "level between 0 and 2")
    op.execute(
        """
        update item set ordinal = at.ordinal
        from (select id, row_number() over (partition by run_id, prompt_id order by id) - 1 as ordinal from item
              where run_id is not null) at
        where at.id = item.id and at.ordinal > 0
        """
    )
    op.create_index("uq_item_made", "item", ["run_id", "prompt_id", "ordinal"], unique=True)
    op.create_index(
        "ix_item_queue",
        "item",
        ["project_id", "level", "rank", "id"],
        postgresql_where=sa.text("slots_left > 0 and withdrawn_at is null and purpose <> 'check'"),
    )


def _preferences() -> None:
    op.create_table(
        "preference",
        sa.Column("label_id", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.String(80), nullable=False),
        sa.Column("first", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("second", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("probability", sa.Float()),
        sa.Column("strength", sa.SmallInteger()),
        sa.Column("raters", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("first < second", name=op.f("ck_preference_places")),
        sa.CheckConstraint("(probability is null) = (outcome = 'both_bad')", name=op.f("ck_preference_probability")),
        sa.CheckConstraint("outcome in ('first', 'second', 'tie', 'both_bad')", name=op.f("ck_preference_outcome")),
    )
    op.execute(
        """
        insert into preference (label_id, question, first, second, outcome, probability, strength)
        select id, question, 0, 1, pg_temp.outcome(said), pg_temp.probability(said), strength
        from (
            select id, '' as question, choice as said, strength from label
            union all
            select id, key, value, null from label, jsonb_each_text(questions) where questions <> '{}'
        ) given
        """
    )
    op.create_primary_key(op.f("pk_preference"), "preference", ["label_id", "question", "first", "second"])
    op.create_foreign_key(
        op.f("fk_preference_label_id"), "preference", "label", ["label_id"], ["id"], ondelete="CASCADE"
    )


def _labels() -> None:
    op.add_column("label", sa.Column("passed", sa.Boolean()))
    op.execute(
        """
        update label
        set passed = item.expected = jsonb_build_object('best', case choice when 'a' then 0 when 'b' then 1 end)
        from item where item.id = item_id and item.purpose = 'check' and item.expected is not null
        """
    )
    op.execute(
        """
        alter table label drop constraint ck_label_choice, drop constraint ck_label_strength,
            alter column choice type jsonb using pg_temp.value(choice, "left", strength, questions)
        """
    )
    op.alter_column("label", "choice", new_column_name="value", type_=JSONB(), existing_nullable=False)
    op.drop_column("label", "questions")
    op.drop_column("label", "strength")


def downgrade() -> None:
    raise RuntimeError("This step has no way back: restore the dump that was made before the upgrade.")
