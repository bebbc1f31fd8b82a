"""The deletion of a user by the user: at once, or in the background with a receipt, by which
its progress can be asked for although the user has no credential any more."""

from django.core.signing import BadSignature, Signer

from taskproject import jobs
from taskproject.accounts.auth import ApiRequest
from taskproject.models import Job
from taskproject.problems import Forbidden, Invalid, KeyRefused, NotFound
from tasks.jobs import remove_user
from tasks.models import Actor

_signer = Signer(salt="taskproject.accounts.deletion", sep=".")


def delete_caller(request: ApiRequest, confirmation: str) -> Job | None:
    """Deletes the user of the request; returns the job of a deletion that goes on.

    Raises `Forbidden` for staff, whom only the admin and the command delete."""
    caller = request.auth
    user = caller.user
    if user.is_staff or user.is_superuser:
        raise Forbidden("Staff cannot delete themselves here.")
    if "HTTP_IDEMPOTENCY_KEY" in request.META:
        raise KeyRefused(
            "Send this request without Idempotency-Key: nothing is kept of a user who is "
            "deleted."
        )
    if confirmation != user.username:
        detail = "Send the username that GET /api/me shows."
        raise Invalid.of("confirm", detail, "refused", place="query")
    job = remove_user(user, Actor(user.pk, caller.via))
    unfinished = job and jobs.run(job).finished_at is None
    return job if unfinished else None


def receipt(job: Job) -> str:
    return _signer.sign(str(job.pk))


def job_of(receipt: str) -> Job:
    """The job of a receipt. Raises `NotFound`."""
    try:
        key = int(_signer.unsign(receipt))
    except (BadSignature, ValueError):
        raise NotFound("There is no deletion with this receipt.") from None
    job = Job.objects.filter(pk=key).first()
    if job is None:
        raise NotFound("This deletion has finished.")
    if job.finished_at is None:
        jobs.start()  # the process that ran it may have been stopped
    return job
