"""What every part of the store is made of."""

from storage.clock import Clock
from storage.connection import Database


class Part:
    """Some of the store's methods; the contract of `storage.store.Store` holds for all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = Clock()
