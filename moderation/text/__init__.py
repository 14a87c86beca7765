"""What a text says beneath its spelling: normalising, and patterns that know what may follow."""
