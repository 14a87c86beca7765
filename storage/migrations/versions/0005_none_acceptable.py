"""whether somebody said that none of the answers will do"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('rankings', sa.Column('is_none_acceptable', sa.Boolean(), server_default=sa.text('false'), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("open a backup instead")
