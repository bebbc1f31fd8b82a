"""Makes the tables, as SQLModel's tutorial does in a function of its own."""

# mypy: ignore-errors
# Its libraries are in .venv-peers, where the service's types are not.

from main import engine
from sqlmodel import SQLModel

SQLModel.metadata.create_all(engine)
