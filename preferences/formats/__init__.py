"""Every format that an export can have, and those that an import can read."""

from collections.abc import Mapping

from chat.errors import InvalidRequest
from preferences.formats.arena import ARENA
from preferences.formats.format import Column, Entry, Format, Row
from preferences.formats.hh import HH
from preferences.formats.openai_dpo import OPENAI_DPO
from preferences.formats.rankings import RANKINGS
from preferences.formats.trl import PROMPT_ONLY, SFT, TRL_PREFERENCE, TRL_UNPAIRED

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        TRL_PREFERENCE,
        TRL_UNPAIRED,
        SFT,
        PROMPT_ONLY,
        OPENAI_DPO,
        ARENA,
        RANKINGS,
        HH,
    )
}

__all__ = ["FORMATS", "Column", "Entry", "Format", "Row", "find_format"]


def find_format(name: str) -> Format:
    """Return the format of that name.

    Raises:
        InvalidRequest: there is none.
    """
    if name not in FORMATS:
        raise InvalidRequest(
            f"There is no format {name!r}; choose one of {', '.join(FORMATS)}.", param="format"
        )
    return FORMATS[name]
