"""The schemas of tokens, which two resources share."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

TokenScope = TypeAliasType("TokenScope", Literal["read", "write"])


class TokenOut(BaseModel):
    name: str = Field(description="The name of the token: what uses it.")
    prefix: str = Field(
        description="The first characters of the token.", examples=["tk_x4Yb2c1Q"]
    )
    scopes: list[TokenScope]
    expires_at: datetime | None
