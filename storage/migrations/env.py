"""What alembic runs to apply revisions to the connection that `storage.schema` gives it."""

from alembic import context

from storage.models import Base


def run_migrations() -> None:
    """Run them inside the transaction that is already open."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        # SQLite alters a table by making a new one.
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run_migrations()
