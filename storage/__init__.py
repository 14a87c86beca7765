"""The memory of Palaver: the only place with SQL."""
