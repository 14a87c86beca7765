"""the first tables"""

import sqlalchemy as sa
from alembic import op

import storage.columns

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('jobs',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('kind', storage.columns.CleanText(), nullable=False),
    sa.Column('state', storage.columns.CleanText(), nullable=False),
    sa.Column('arguments', sa.JSON(), nullable=False),
    sa.Column('message', storage.columns.CleanText(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_jobs'))
    )
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_jobs_created_at'), ['created_at'], unique=False)

    op.create_table('models',
    sa.Column('name', storage.columns.Identifier(), nullable=False),
    sa.Column('sha256', storage.columns.Identifier(), nullable=False),
    sa.Column('manifest', sa.JSON(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', 'sha256', name=op.f('pk_models'))
    )
    op.create_table('users',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users'))
    )
    op.create_table('consents',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', storage.columns.Identifier(), nullable=False),
    sa.Column('purpose', storage.columns.CleanText(), nullable=False),
    sa.Column('granted', sa.Boolean(), nullable=False),
    sa.Column('version', storage.columns.CleanText(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_consents_user_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consents'))
    )
    with op.batch_alter_table('consents', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_consents_user_id_purpose'), ['user_id', 'purpose'], unique=False)

    op.create_table('conversations',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('owner_id', storage.columns.Identifier(), nullable=False),
    sa.Column('title', storage.columns.CleanText(), nullable=False),
    sa.Column('current_leaf_id', storage.columns.Identifier(), nullable=True),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], name=op.f('fk_conversations_owner_id_users'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_conversations'))
    )
    with op.batch_alter_table('conversations', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_conversations_owner_id_updated_at'), ['owner_id', 'updated_at'], unique=False)

    op.create_table('messages',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('conversation_id', storage.columns.Identifier(), nullable=False),
    sa.Column('parent_id', storage.columns.Identifier(), nullable=True),
    sa.Column('role', storage.columns.CleanText(), nullable=False),
    sa.Column('content', storage.columns.CleanText(), nullable=False),
    sa.Column('finish_reason', storage.columns.CleanText(), nullable=True),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint("role IN ('system', 'user', 'assistant')", name=op.f('ck_messages_role')),
    sa.ForeignKeyConstraint(['conversation_id', 'parent_id'], ['messages.conversation_id', 'messages.id'], name=op.f('fk_messages_conversation_id_parent_id_messages')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversations.id'], name=op.f('fk_messages_conversation_id_conversations'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_messages')),
    sa.UniqueConstraint('conversation_id', 'id', name=op.f('uq_messages_conversation_id_id'))
    )
    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_messages_conversation_id_parent_id'), ['conversation_id', 'parent_id'], unique=False)

    op.create_table('comparisons',
    sa.Column('id', storage.columns.Identifier(), nullable=False),
    sa.Column('conversation_id', storage.columns.Identifier(), nullable=False),
    sa.Column('question_id', storage.columns.Identifier(), nullable=False),
    sa.Column('method', storage.columns.CleanText(), nullable=False),
    sa.Column('probability', sa.Double(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['conversation_id', 'question_id'], ['messages.conversation_id', 'messages.id'], name=op.f('fk_comparisons_conversation_id_question_id_messages'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_comparisons'))
    )
    with op.batch_alter_table('comparisons', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_comparisons_conversation_id_question_id'), ['conversation_id', 'question_id'], unique=False)

    op.create_table('generations',
    sa.Column('message_id', storage.columns.Identifier(), nullable=False),
    sa.Column('model', storage.columns.CleanText(), nullable=False),
    sa.Column('config', sa.JSON(), nullable=False),
    sa.Column('prompt_tokens', sa.Integer(), nullable=False),
    sa.Column('completion_tokens', sa.Integer(), nullable=False),
    sa.Column('queued_ms', sa.Double(), nullable=False),
    sa.Column('first_token_ms', sa.Double(), nullable=False),
    sa.Column('total_ms', sa.Double(), nullable=False),
    sa.Column('num_dropped', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_generations_message_id_messages'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_generations'))
    )
    with op.batch_alter_table('generations', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_generations_model'), ['model'], unique=False)

    op.create_table('ratings',
    sa.Column('answer_id', storage.columns.Identifier(), nullable=False),
    sa.Column('annotator_id', storage.columns.Identifier(), nullable=False),
    sa.Column('value', sa.Integer(), nullable=False),
    sa.Column('tags', sa.JSON(), nullable=False),
    sa.Column('comment', storage.columns.CleanText(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint('value IN (-1, 1)', name=op.f('ck_ratings_value')),
    sa.ForeignKeyConstraint(['annotator_id'], ['users.id'], name=op.f('fk_ratings_annotator_id_users'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['answer_id'], ['messages.id'], name=op.f('fk_ratings_answer_id_messages'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('answer_id', 'annotator_id', name=op.f('pk_ratings'))
    )
    with op.batch_alter_table('ratings', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ratings_annotator_id'), ['annotator_id'], unique=False)

    op.create_table('verdicts',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('message_id', storage.columns.Identifier(), nullable=False),
    sa.Column('moderator', storage.columns.CleanText(), nullable=False),
    sa.Column('version', storage.columns.CleanText(), nullable=False),
    sa.Column('stage', storage.columns.CleanText(), nullable=False),
    sa.Column('scores', sa.JSON(), nullable=False),
    sa.Column('spans', sa.JSON(), nullable=False),
    sa.Column('outcome', storage.columns.CleanText(), nullable=False),
    sa.Column('reason', storage.columns.CleanText(), nullable=False),
    sa.Column('action', storage.columns.CleanText(), nullable=False),
    sa.Column('category', storage.columns.CleanText(), nullable=False),
    sa.Column('latency_ms', sa.Double(), nullable=False),
    sa.Column('policy_version', storage.columns.CleanText(), nullable=False),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_verdicts_message_id_messages'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_verdicts'))
    )
    with op.batch_alter_table('verdicts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_verdicts_message_id'), ['message_id'], unique=False)

    op.create_table('comparison_answers',
    sa.Column('comparison_id', storage.columns.Identifier(), nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('answer_id', storage.columns.Identifier(), nullable=False),
    sa.ForeignKeyConstraint(['answer_id'], ['messages.id'], name=op.f('fk_comparison_answers_answer_id_messages'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['comparison_id'], ['comparisons.id'], name=op.f('fk_comparison_answers_comparison_id_comparisons'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('comparison_id', 'position', name=op.f('pk_comparison_answers')),
    sa.UniqueConstraint('comparison_id', 'answer_id', name=op.f('uq_comparison_answers_comparison_id_answer_id'))
    )
    with op.batch_alter_table('comparison_answers', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_comparison_answers_answer_id'), ['answer_id'], unique=False)

    op.create_table('rankings',
    sa.Column('comparison_id', storage.columns.Identifier(), nullable=False),
    sa.Column('annotator_id', storage.columns.Identifier(), nullable=False),
    sa.Column('groups', sa.JSON(), nullable=False),
    sa.Column('acceptable', sa.JSON(), nullable=False),
    sa.Column('comment', storage.columns.CleanText(), nullable=False),
    sa.Column('strength', sa.Double(), nullable=True),
    sa.Column('created_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', storage.columns.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['annotator_id'], ['users.id'], name=op.f('fk_rankings_annotator_id_users'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['comparison_id'], ['comparisons.id'], name=op.f('fk_rankings_comparison_id_comparisons'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('comparison_id', 'annotator_id', name=op.f('pk_rankings'))
    )
    with op.batch_alter_table('rankings', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rankings_annotator_id'), ['annotator_id'], unique=False)



def downgrade() -> None:
    raise NotImplementedError("open a backup instead")
