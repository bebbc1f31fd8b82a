"""Tasks with FastAPI and SQLModel, as their documentation teaches it.

Models that share a base, a Session as a dependency, plain `def` endpoints: "SQL
(Relational) Databases" in FastAPI's tutorial and "FastAPI with SQLModel" in SQLModel's.
"""

# mypy: ignore-errors
# Its libraries are in .venv-peers, where the service's types are not.

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from sqlalchemy import Column, DateTime
from sqlmodel import Field, Session, SQLModel, col, create_engine, select

OWNER = int(os.environ["OWNER"])  # whose tasks are listed and made


def now() -> datetime:
    return datetime.now(UTC)


def time_column(nullable: bool = False) -> Column:
    return Column(DateTime(timezone=True), nullable=nullable)


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=10_000)
    completed: bool = False


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    completed_at: datetime | None = Field(default=None, sa_column=time_column(True))
    created_at: datetime = Field(default_factory=now, sa_column=time_column())
    updated_at: datetime = Field(default_factory=now, sa_column=time_column())
    version: int = 1
    owner: int = Field(default=OWNER, index=True)


class TaskPublic(TaskBase):
    id: int
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class TaskCreate(TaskBase):
    pass


class TaskUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=10_000)
    completed: bool | None = None


class TaskPage(SQLModel):
    items: list[TaskPublic]


engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1)
)


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]

app = FastAPI()


def find(session: Session, task_id: int) -> Task:
    task = session.get(Task, task_id)
    if not task:
        raise HTTPException(status_code=404, detail="Task not found")
    return task


def save(session: Session, task: Task) -> Task:
    session.add(task)
    session.commit()
    session.refresh(task)
    return task


def changed(task: Task, was_completed: bool) -> Task:
    if task.completed != was_completed:
        task.completed_at = now() if task.completed else None
    task.updated_at = now()
    task.version += 1
    return task


@app.get("/api/tasks", response_model=TaskPage)
def read_tasks(
    session: SessionDep,
    completed: bool | None = None,
    offset: int = 0,
    limit: Annotated[int, Query(le=100)] = 50,
):
    tasks = select(Task).where(Task.owner == OWNER)
    if completed is not None:
        tasks = tasks.where(Task.completed == completed)
    newest = tasks.order_by(col(Task.id).desc()).offset(offset).limit(limit)
    return {"items": session.exec(newest).all()}


@app.post("/api/tasks", response_model=TaskPublic, status_code=201)
def create_task(task: TaskCreate, session: SessionDep):
    db_task = Task.model_validate(task)
    if db_task.completed:
        db_task.completed_at = now()
    return save(session, db_task)


@app.get("/api/tasks/{task_id}", response_model=TaskPublic)
def read_task(task_id: int, session: SessionDep):
    return find(session, task_id)


@app.patch("/api/tasks/{task_id}", response_model=TaskPublic)
def update_task(task_id: int, task: TaskUpdate, session: SessionDep):
    db_task = find(session, task_id)
    was_completed = db_task.completed
    db_task.sqlmodel_update(task.model_dump(exclude_unset=True))
    return save(session, changed(db_task, was_completed))


@app.post("/api/tasks/{task_id}/toggle", response_model=TaskPublic)
def toggle_task(task_id: int, session: SessionDep):
    db_task = find(session, task_id)
    db_task.completed = not db_task.completed
    return save(session, changed(db_task, not db_task.completed))
