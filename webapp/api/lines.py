"""Records as a file of JSON lines, sent while they are read."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

from fastapi.responses import Response, StreamingResponse

LINES = "application/x-ndjson"
NUM_AT_ONCE = 200


class LinesResponse(Response):
    """What the schema says an export is."""

    media_type = LINES


async def send_lines(records: Iterator[dict[str, Any]], name: str) -> Response:
    """Return `records` as a download called `name`; each step of them may block."""
    # The first are read now: if the database fails, that is still a status code.
    first = await asyncio.to_thread(_read_lines, records)
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
    }
    return StreamingResponse(_write_lines(first, records), media_type=LINES, headers=headers)


async def _write_lines(first: str, records: Iterator[dict[str, Any]]) -> AsyncIterator[str]:
    lines = first
    while lines:
        yield lines
        lines = await asyncio.to_thread(_read_lines, records)


def _read_lines(records: Iterator[dict[str, Any]]) -> str:
    some = islice(records, NUM_AT_ONCE)
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in some)
