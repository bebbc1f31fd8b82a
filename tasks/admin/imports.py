"""The pages from which staff import a file of tasks: the upload, the preview of what becomes of
every row, the outcome, and its undoing."""

from collections.abc import Callable
from functools import partial
from typing import BinaryIO, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from taskproject import jobs
from taskproject.accounts.privileges import may_choose_owner, viewer
from taskproject.deadlines import extend
from taskproject.downloads import CHUNK_TIMEOUT
from taskproject.models import Job
from taskproject.problems import Conflict
from tasks.admin.bulk import with_titles
from tasks.admin.versioned import VersionedAdmin
from tasks.forms.import_file import OwnerForm, UploadForm
from tasks.jobs import confirm_upload, undo_upload
from tasks.models import Upload
from tasks.models.uploads import UploadState
from tasks.upload_imports import (
    MAX_BYTES,
    MAX_ROWS,
    TooManyRows,
    outcome,
    read_again,
    read_upload,
    undone,
)

FORM, PAGE = "tasks_task_import", "tasks_task_upload"
#: Bytes of a request beside its file.
ENVELOPE = 2**16


class ImportPages(VersionedAdmin):
    """The import of tasks. Each upload belongs to the user who made it."""

    def has_import_permission(self, request: HttpRequest) -> bool:
        """A file may have lists and tags too."""
        needed = ("tasks.add_task", "tasks.add_tasklist")
        return request.user.has_perms(needed)

    def get_urls(self) -> list[URLPattern]:
        # The token in the body is checked later: who is not signed in sends no files.
        form = self.admin_site.admin_view(csrf_exempt(self.import_view))
        upload = self.admin_site.admin_view(self.upload_view)
        return [
            path("import/", form, name=FORM),
            path("import/<int:key>/", upload, name=PAGE),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES + ENVELOPE:
            self._refuse_size(request)
            return HttpResponseRedirect(request.path)
        request.upload_handlers = [TemporaryFileUploadHandler(request)]
        view: HttpResponse = csrf_protect(self._import_view)(request)
        return view

    def _import_view(self, request: HttpRequest) -> HttpResponse:
        only = None if may_choose_owner(request) else viewer(request)
        sent = (request.POST, request.FILES) if request.method == "POST" else ()
        form = UploadForm(only, *sent)
        if form.is_valid():
            upload = self._read(request, form)
            if upload is not None:
                return _to(upload)
        context = self.context_of_page(request, "Import tasks")
        context |= {"form": form, "most": MAX_BYTES // 2**20, "rows": f"{MAX_ROWS:,}"}
        return TemplateResponse(request, "admin/tasks/task/import.html", context)

    def _read(self, request: HttpRequest, form: UploadForm) -> Upload | None:
        """Reads the file and stores what would become of its rows; None with a message if it
        is too large."""
        file: UploadedFile = form.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES or file.file is None:
            self._refuse_size(request)
            return None
        upload = Upload.objects.create(
            actor_id=viewer(request).pk,
            name=(file.name or "")[:255],
            format=form.cleaned_data["format"],
        )
        try:
            wait = partial(extend, CHUNK_TIMEOUT)
            read_upload(upload, cast(BinaryIO, file.file), form.chosen_owner(), wait)
        except TooManyRows:
            upload.delete()
            self._refuse_size(request)
            return None
        return upload

    def _refuse_size(self, request: HttpRequest) -> None:
        self.message_user(
            request,
            f"A file has at most {MAX_BYTES // 2**20} MB and {MAX_ROWS:,} rows. Nothing "
            "was imported: divide it, or use manage.py import_tasks.",
            messages.ERROR,
        )

    def upload_view(self, request: HttpRequest, key: int) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        upload = get_object_or_404(
            Upload.objects.exclude(state=UploadState.READING),
            pk=key,
            actor_id=viewer(request).pk,
        )
        if not may_choose_owner(request) and upload.has_others():
            raise PermissionDenied
        choosing = request.POST.get("step") == "owner"
        if request.method == "POST" and not choosing:
            undoing = request.POST.get("step") == "undo"
            return self._import(
                request, upload, undo_upload if undoing else confirm_upload
            )
        form = None
        if may_choose_owner(request) and upload.can_be_read_again():
            name = str(upload.summary.get("owner", ""))
            form = OwnerForm(request.POST if choosing else None, name=name)
            if form.is_valid():
                wait = partial(extend, CHUNK_TIMEOUT)
                return _to(read_again(upload, form.cleaned_data["owner"], wait))
        return self._upload_page(request, upload, form)

    def _upload_page(
        self, request: HttpRequest, upload: Upload, form: OwnerForm | None
    ) -> HttpResponse:
        # Each stored page is one of the paginator's.
        pages = Paginator(upload.pages.order_by("pk"), 1)
        page = pages.get_page(request.GET.get("page"))
        counts, refused = outcome(upload)
        undoing = upload.state in (UploadState.UNDOING, UploadState.UNDONE)
        undone_counts, kept = undone(upload) if undoing else ({}, [])
        running = upload.state in (UploadState.RUNNING, UploadState.UNDOING)
        if running:
            jobs.start()  # the process that ran it may have been stopped
        context = self.context_of_page(request, f"Import of {upload.name}") | {
            "upload": upload,
            "summary": upload.summary,
            "rows": [row for stored in page for row in stored.rows],
            "page": page,
            "outcome": counts,
            "refused": refused,
            "undone": undone_counts,
            "kept": with_titles(request, kept),
            "running": running,
            "job": Job.objects.about("upload", upload.pk) if running else None,
            "form": form,
        }
        return TemplateResponse(request, "admin/tasks/task/upload.html", context)

    def _import(
        self,
        request: HttpRequest,
        upload: Upload,
        begin: Callable[[Upload], Job | None],
    ) -> HttpResponse:
        try:
            job = begin(upload)
        except Conflict as conflict:
            self.message_user(request, conflict.detail, messages.ERROR)
            return _to(upload)
        if job is not None:
            jobs.run(job)
        return _to(upload)


def _to(upload: Upload) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(f"admin:{PAGE}", args=[upload.pk]))
