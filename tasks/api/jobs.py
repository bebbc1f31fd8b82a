"""`/api/jobs`: the progress of changes of many rows, which are done in portions."""

from datetime import datetime
from typing import Literal

from django.http import HttpResponse
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType

from taskproject import jobs
from taskproject.accounts.auth import ApiRequest
from taskproject.models import Job
from tasks.api.responses import find_row, json_response

router = Router(tags=["jobs"])

JOB: JsonDict = {
    "id": 7,
    "kind": "delete_list",
    "status": "running",
    "done": 4_500,
    "total": 20_000,
    "created_at": "2026-11-23T08:30:00.123456Z",
    "finished_at": None,
}
JobKind = TypeAliasType(
    "JobKind",
    Literal["delete_list", "delete_tag", "rename_tag", "empty_trash", "delete_user"],
)
JobStatus = TypeAliasType("JobStatus", Literal["running", "done"])


class JobOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [JOB]})

    id: int
    kind: JobKind
    status: JobStatus
    done: int = Field(description="Of `total` tasks.")
    total: int
    created_at: datetime
    finished_at: datetime | None


def unfinished_response(job: Job | None) -> HttpResponse | None:
    """Runs the job, if there is one, for as long as a request may. The response 202, if it has
    not finished then and goes on in the background."""
    job = job and jobs.run(job)
    if job is None or job.finished_at is not None:
        return None
    headers = {"Location": f"/api/jobs/{job.pk}", "Retry-After": "1"}
    return json_response(job.as_dict(), 202, **headers)


@router.get("/jobs/{int:job_id}", response=JobOut)
def get_job(request: ApiRequest, job_id: int) -> HttpResponse:
    """The progress of a change of thousands of tasks."""
    mine = Job.objects.filter(owner_id=request.auth.user_id)
    job = find_row(mine, job_id)
    if job.finished_at is None:
        jobs.start()  # the process that ran it may have been stopped
    return json_response(job.as_dict())
