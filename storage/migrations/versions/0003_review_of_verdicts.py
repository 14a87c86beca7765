"""what reviewers think of verdicts, and the rules of the operator"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('rules',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('name', storage.columns.CleanText(), nullable=False),
    sa.Column('category', storage.columns.CleanText(), nullable=False),
    sa.Column('score', sa.Double(), nullable=False),
    sa.Column('stages', sa.JSON(), nullable=False),
    sa.Column('patterns', sa.JSON(), nullable=False),
    sa.Column('unless', sa.JSON(), nullable=False),
    sa.Column('language', storage.columns.CleanText(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('created_by', storage.columns.CleanText(), nullable=False),
    sa.Column('updated_by', storage.columns.CleanText(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rules'))
    )
    op.create_table('refusals',
    sa.Column('message_id', storage.columns.Identifier(), nullable=False),
    sa.Column('content', storage.columns.CleanText(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_refusals_message_id_messages'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_refusals'))
    )
    op.create_table('reviews',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('verdict_id', storage.columns.Identifier(), nullable=False),
    sa.Column('reviewer_id', storage.columns.Identifier(), nullable=False),
    sa.Column('mark', storage.columns.CleanText(), nullable=False),
    sa.Column('categories', sa.JSON(), nullable=False),
    sa.Column('note', storage.columns.CleanText(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint("mark IN ('false_positive', 'missed', 'correct')", name=op.f('ck_reviews_mark')),
    sa.ForeignKeyConstraint(['reviewer_id'], ['users.id'], name=op.f('fk_reviews_reviewer_id_users'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['verdict_id'], ['verdicts.id'], name=op.f('fk_reviews_verdict_id_verdicts'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reviews'))
    )
    op.create_index(op.f('ix_reviews_reviewer_id'), 'reviews', ['reviewer_id'], unique=False)
    op.create_index(op.f('ix_reviews_verdict_id'), 'reviews', ['verdict_id'], unique=False)

    op.create_index(op.f('ix_messages_created_at'), 'messages', ['created_at'], unique=False)

    op.create_index(op.f('ix_verdicts_action_id'), 'verdicts', ['action', 'id'], unique=False)
    op.create_index(op.f('ix_verdicts_created_at'), 'verdicts', ['created_at'], unique=False)



def downgrade() -> None:
    raise NotImplementedError("open a backup instead")
