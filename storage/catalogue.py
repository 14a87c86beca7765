"""Models that have served here, and jobs that have run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.models import JobRow, ModelRow
from storage.records import Job, JobState
from storage.upsert import insert_if_missing, insert_or_update


def record_model(
    session: Session, name: str, sha256: str, manifest: Mapping[str, Any], now: datetime
) -> None:
    values = {"name": name, "sha256": sha256, "manifest": dict(manifest), "created_at": now}
    insert_if_missing(session, ModelRow, values)


def record_job(session: Session, job: Job, now: datetime) -> None:
    values = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "arguments": dict(job.arguments),
        "message": job.message,
        "created_at": job.created_at or now,
        "updated_at": now,
    }
    insert_or_update(session, JobRow, values)


def list_jobs(session: Session, limit: int) -> list[Job]:
    query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id).limit(limit)
    return [
        Job(
            row.id,
            row.kind,
            cast(JobState, row.state),
            dict(row.arguments),
            row.message,
            row.created_at,
            row.updated_at,
        )
        for row in session.scalars(query)
    ]
