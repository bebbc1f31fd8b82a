"""Changes in the admin that a job goes on with after the response."""

from django.contrib import admin, messages
from django.http import HttpRequest

from taskproject import jobs
from taskproject.models import Job


class JobAdmin(admin.ModelAdmin):
    def run_job(
        self, request: HttpRequest, job: Job, doing: str, rows: str = "tasks"
    ) -> bool:
        """Runs a job for as long as a request may. If it goes on, a message says so and it
        returns False."""
        job = jobs.run(job)
        if job.finished_at is not None:
            return True
        self.message_user(
            request,
            f"{doing}: {job.done:,} of {job.total:,} {rows} are done. It goes on in the "
            "background; reload this page to see when it has finished.",
            messages.WARNING,
        )
        vars(request)["job_goes_on"] = True
        return False

    def message_user(
        self,
        request: HttpRequest,
        message: object,
        level: int | str = messages.INFO,
        extra_tags: str = "",
        fail_silently: bool = False,
    ) -> None:
        """Without Django's message that all is done, while a job goes on."""
        if level != messages.SUCCESS or not getattr(request, "job_goes_on", False):
            super().message_user(
                request, str(message), level, extra_tags, fail_silently
            )
