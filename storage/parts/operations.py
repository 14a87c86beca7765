"""The store's part about running Palaver."""

from collections.abc import Mapping
from typing import Any

from chat.types import Persona
from storage import catalogue, counts, keys, personas
from storage.parts.part import Part
from storage.records import ApiKey, Count, Job


class Operations(Part):
    """Models and jobs, personas, API keys and counts."""

    def record_model(
        self, name: str, sha256: str, manifest: Mapping[str, Any] | None = None
    ) -> None:
        """Remember that a model of this name and digest has served here."""
        with self._database.write() as session:
            catalogue.record_model(session, name, sha256, manifest or {}, self._clock.now())

    def record_job(self, job: Job) -> None:
        """Remember a job, or what has become of it; its `created_at` stays the first one."""
        with self._database.write() as session:
            catalogue.record_job(session, job, self._clock.now())

    def list_jobs(self, *, limit: int = 100) -> list[Job]:
        """Return jobs, the newest first."""
        with self._database.read() as session:
            return catalogue.list_jobs(session, limit)

    def save_persona(self, persona: Persona) -> None:
        """Remember a persona, in the place of one with its id."""
        with self._database.write() as session:
            personas.save_persona(session, persona, self._clock.now())

    def list_personas(self) -> list[Persona]:
        """Return the personas, hidden ones too, the oldest first."""
        with self._database.read() as session:
            return personas.list_personas(session)

    def delete_persona(self, persona_id: str) -> None:
        """Forget a persona, or raise NotFound; what it answered stays."""
        with self._database.write() as session:
            personas.delete_persona(session, persona_id)

    def record_api_key(self, key: ApiKey) -> None:
        """Remember a new key; without `created_at` it is made now.

        Raises:
            InvalidRequest: there is a key of that id or that digest.
        """
        with self._database.write() as session:
            keys.record_api_key(session, key, self._clock.now())

    def find_api_key(self, sha256: str) -> ApiKey | None:
        """Return the key with this digest; None if there is none or it was revoked."""
        with self._database.read() as session:
            return keys.find_api_key(session, sha256)

    def list_api_keys(self) -> list[ApiKey]:
        """Return all keys, revoked ones too, the oldest first."""
        with self._database.read() as session:
            return keys.list_api_keys(session)

    def revoke_api_key(self, key_id: str) -> None:
        """Let a key open nothing any more, or raise NotFound; the first time it was said stays."""
        with self._database.write() as session:
            keys.revoke_api_key(session, key_id, self._clock.now())

    def count(self, kind: str, amount: int = 1) -> None:
        """Add to how often something of this kind happened today, in UTC; never less than 0."""
        assert amount >= 0
        with self._database.write() as session:
            counts.add_count(session, self._clock.now().date(), kind, amount)

    def read_counts(self) -> list[Count]:
        """Return the counts by day and kind, the oldest day first."""
        with self._database.read() as session:
            return counts.read_counts(session)
