"""What every mapping of the YAML file has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator


class Options(BaseModel):
    """A mapping with a fixed set of keys. Keys that begin with "x-" are free, for anchors; a key without a
    value is as if it were not there."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"patternProperties": {"^x-": True}},
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_unset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        optional = {key for key, field in cls.model_fields.items() if not field.is_required()}
        return {
            key: value
            for key, value in data.items()
            if not str(key).startswith("x-") and not (value is None and key in optional)
        }


def beside_the_file(path: Path, info: ValidationInfo) -> Path:
    """A path of the file, which is relative to it."""
    directory: Path = (info.context or {}).get("directory", Path())
    return directory / path
