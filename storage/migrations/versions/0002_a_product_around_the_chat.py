"""a product around the chat"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

# Rows of several processes meet when one is restored from another, so no two may have one id.
# The new ids are as long as those of storage.clock and sort before them, in the order of the old.
_NEW_ID_SQLITE = "printf('%020d', id) || lower(hex(randomblob(8)))"
_NEW_ID_POSTGRESQL = "lpad(id::text, 20, '0') || substr(md5(random()::text), 1, 16)"


def upgrade() -> None:
    _make_ids_unique('consents')
    _make_ids_unique('verdicts')
    with op.batch_alter_table('consents', schema=None) as batch_op:
        batch_op.add_column(sa.Column('conversation_id', storage.columns.Identifier(), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_consents_conversation_id_conversations'), 'conversations', ['conversation_id'], ['id'], ondelete='CASCADE')
    op.create_index(op.f('ix_consents_conversation_id_purpose'), 'consents', ['conversation_id', 'purpose'], unique=False)

    op.add_column('generations', sa.Column('system_prompt', storage.columns.CleanText(), server_default=sa.text("''"), nullable=False))
    op.add_column('generations', sa.Column('instructions', storage.columns.CleanText(), server_default=sa.text("''"), nullable=False))
    op.add_column('generations', sa.Column('persona', storage.columns.CleanText(), server_default=sa.text("''"), nullable=False))

    op.create_table('personas',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('title', storage.columns.CleanText(), nullable=False),
    sa.Column('description', storage.columns.CleanText(), nullable=False),
    sa.Column('system_prompt', storage.columns.CleanText(), nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('starters', sa.JSON(), nullable=False),
    sa.Column('policy', storage.columns.CleanText(), nullable=False),
    sa.Column('is_hidden', sa.Boolean(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_personas'))
    )
    op.create_table('api_keys',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('name', storage.columns.CleanText(), nullable=False),
    sa.Column('sha256', storage.columns.Identifier(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', storage.columns.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_keys')),
    sa.UniqueConstraint('sha256', name=op.f('uq_api_keys_sha256'))
    )
    op.create_table('counts',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('kind', storage.columns.Identifier(), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'kind', name=op.f('pk_counts'))
    )
    op.create_table('changes',
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('table_name', storage.columns.CleanText(), nullable=False),
    sa.Column('row_key', sa.JSON(), nullable=False),
    sa.Column('is_deleted', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_changes')),
    sqlite_autoincrement=True
    )
    op.create_table('copied_files',
    sa.Column('place', storage.columns.CleanText(), nullable=False),
    sa.Column('name', storage.columns.CleanText(), nullable=False),
    sa.Column('has_deletions', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('place', 'name', name=op.f('pk_copied_files'))
    )


def _make_ids_unique(table: str) -> None:
    if op.get_bind().dialect.name == 'sqlite':
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column('id', existing_type=sa.Integer(), type_=storage.columns.Identifier(), existing_nullable=False)
        op.execute(f"UPDATE {table} SET id = {_NEW_ID_SQLITE}")
        return
    op.execute(f"ALTER TABLE {table} ALTER COLUMN id DROP DEFAULT")
    op.execute(f"ALTER TABLE {table} ALTER COLUMN id TYPE VARCHAR USING {_NEW_ID_POSTGRESQL}")
    op.execute(f"DROP SEQUENCE {table}_id_seq")


def downgrade() -> None:
    raise NotImplementedError("open a backup instead")
