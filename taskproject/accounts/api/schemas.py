"""The schemas of tokens, which two resources share."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

TokenScope = TypeAliasType("TokenScope", Literal["read", "write"])


class TokenOut(BaseModel):
    name: str
    prefix: str = Field(description="Of the secret.")
    scopes: list[TokenScope]
    expires_at: datetime | None
