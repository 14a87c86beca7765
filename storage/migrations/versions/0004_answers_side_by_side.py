"""what answers side by side were drawn from, how long a ranking took, and corrections"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('comparisons', sa.Column('origin', storage.columns.CleanText(), server_default=sa.text("'chat'"), nullable=False))
    op.add_column('comparisons', sa.Column('draw', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('rankings', sa.Column('elapsed_s', sa.Double(), nullable=True))
    op.create_table('corrections',
    sa.Column('message_id', storage.columns.Identifier(), nullable=False),
    sa.Column('corrects_id', storage.columns.Identifier(), nullable=False),
    sa.Column('author_id', storage.columns.Identifier(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['author_id'], ['users.id'], name=op.f('fk_corrections_author_id_users'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['corrects_id'], ['messages.id'], name=op.f('fk_corrections_corrects_id_messages'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_corrections_message_id_messages'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_corrections'))
    )
    op.create_index(op.f('ix_corrections_author_id'), 'corrections', ['author_id'], unique=False)
    op.create_index(op.f('ix_corrections_corrects_id'), 'corrections', ['corrects_id'], unique=False)


def downgrade() -> None:
    raise NotImplementedError("open a backup instead")
