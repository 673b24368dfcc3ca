"""Pairs become items

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_RENAME = """
do $$
declare found record;
begin
    alter table {old} rename to {new};
    alter table assignment rename column {old}_id to {new}_id;
    alter table label rename column {old}_id to {new}_id;
    for found in
        select conrelid::regclass as "table", conname as name from pg_constraint
        where conrelid in ('{new}'::regclass, 'assignment'::regclass, 'label'::regclass) and conname ~ '(^|_){old}(_|$)'
    loop
        execute format('alter table %s rename constraint %I to %I',
                       found."table", found.name, regexp_replace(found.name, '(^|_){old}(_|$)', '\\1{new}\\2'));
    end loop;
    for found in
        select c.relname as name from pg_class c left join pg_index i on i.indexrelid = c.oid
        left join pg_depend d on d.objid = c.oid and d.deptype = 'i'
        where c.relkind in ('i', 'S') and c.relname ~ '(^|_){old}(_|$)'
          and coalesce(i.indrelid, d.refobjid) in ('{new}'::regclass, 'assignment'::regclass, 'label'::regclass)
    loop
        execute format('alter index %I rename to %I',
                       found.name, regexp_replace(found.name, '(^|_){old}(_|$)', '\\1{new}\\2'));
    end loop;
end $$
"""


def upgrade() -> None:
    op.execute(_RENAME.format(old="pair", new="item"))
    op.execute("update audit_event set action = 'items.' || substr(action, 7) where action like 'pairs.%%'")


def downgrade() -> None:
    op.execute(_RENAME.format(old="item", new="pair"))
    op.execute("update audit_event set action = 'pairs.' || substr(action, 7) where action like 'items.%%'")
