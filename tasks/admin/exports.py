"""The page from which staff download the tasks that a list in the admin shows."""

from functools import partial

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from taskproject.accounts.privileges import viewer
from taskproject.deadlines import extend
from taskproject.downloads import CHUNK_TIMEOUT, download
from taskproject.problems import Unavailable
from taskproject.sql import this_thread
from tasks.admin.versioned import VersionedAdmin
from tasks.exports import selected_records
from tasks.formats import WRITERS, csv
from tasks.models import Task

#: The formats, with their descriptions; the first is the default.
FORMATS = {
    "csv": "CSV: for spreadsheets, and to import again",
    "xlsx": "XLSX: for Excel and LibreOffice",
    "jsonl": "JSON Lines: all data, the trash too, to import again",
}
#: The parameter of the query that is no filter.
FORMAT = "format"


class ExportPages(VersionedAdmin):
    """The export of the tasks that the filters and the search of the list select."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="tasks_task_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = request.GET.copy()
        kind = query.pop(FORMAT, [""])[-1]
        vars(request)["GET"] = query  # of the list, for its filters
        address = reverse("admin:tasks_task_changelist")
        try:
            changelist = self.get_changelist_instance(request)
            if kind in FORMATS:
                return self._file(request, kind, changelist.get_queryset(request))
        except (IncorrectLookupParameters, ValueError, OverflowError):
            text = "A filter in the address is invalid. Nothing was exported."
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(address)
        except Unavailable as problem:
            self.message_user(request, problem.detail, messages.ERROR)
        context = self.context_of_page(request, "Export tasks") | {
            "cl": changelist,
            "kept": [*query.lists()],
            "formats": FORMATS,
            "list": f"{address}?{query.urlencode()}",
        }
        return TemplateResponse(request, "admin/tasks/task/export.html", context)

    def _file(
        self, request: HttpRequest, kind: str, tasks: QuerySet[Task]
    ) -> HttpResponseBase:
        writer, wait = WRITERS[kind], partial(extend, CHUNK_TIMEOUT)
        write = writer.write
        if kind == "csv":
            write = partial(csv.write, columns=csv.OWNED_COLUMNS)
        return download(
            request,
            viewer(request).pk,
            write(selected_records(tasks, wait), "Tasks"),
            this_thread.connection.snapshot(),
            writer.media_type,
            f"tasks-{timezone.localdate()}{writer.extension}",
        )
