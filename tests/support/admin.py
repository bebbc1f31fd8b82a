"""Tasks in the admin: a form as a browser sends it, and what a page shows."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject import jobs
from taskproject.accounts.models import User
from taskproject.models import Job
from tasks.models import Tag, Task, TaskList
from tests.conftest import BY, force_login, make_task

LIST = "/admin/tasks/task/"
ADD = "/admin/tasks/task/add/"
LISTS = "/admin/tasks/tasklist/"
TAGS = "/admin/tasks/tag/"
SCRIPT = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"
Staff = Callable[..., Client]


class Form(HTMLParser):
    """What a browser would send of the form with this id, buttons aside."""

    def __init__(self, page: str, form_id: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._form_id, self._inside = form_id, False
        self._select = self._textarea = ""
        self.feed(page)
        # A browser sends every line break as CRLF.
        for field, value in self.values.items():
            self[field] = re.sub(r"\r\n|\r|\n", "\r\n", value)

    def handle_starttag(self, tag: str, attributes: list[Any]) -> None:
        given = dict(attributes)
        if tag == "form":
            self._inside = given.get("id") == self._form_id
        name = given.get("name")
        if not self._inside:
            return
        if tag == "select":
            self._select = name or ""
        elif tag == "option" and ("selected" in given or self._select not in self):
            self[self._select] = given.get("value") or ""
        elif tag == "textarea":
            self._textarea = name or ""
            self[self._textarea] = ""
        elif tag == "input" and name:
            kind = given.get("type", "text")
            if kind == "checkbox" and "checked" in given:
                self[name] = given.get("value") or "on"
            elif kind not in ("checkbox", "radio", "submit", "button"):
                self[name] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "textarea" and self._textarea:
            # HTML drops a line break right behind <textarea>.
            typed = self[self._textarea].removeprefix("\r\n").removeprefix("\n")
            self[self._textarea] = typed
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self[self._textarea] += data

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def __setitem__(self, name: str, value: str) -> None:
        self.values[name] = value

    def tick(self, name: str, ticked: bool) -> None:
        """Ticks the checkbox, or unticks it."""
        self.values.pop(name, None)
        if ticked:
            self.values[name] = "on"


class Editor:
    """A row's page, opened in the browser of somebody of staff."""

    def __init__(self, client: Client, row: Task | TaskList | Tag) -> None:
        self.client, self.path = client, page_of(row)
        self.form_id = f"{row._meta.model_name}_form"
        self.page = client.get(self.path).content.decode()
        self.form = Form(self.page, self.form_id)

    def type(self, **values: str) -> None:
        """Types the values into the fields of these names."""
        self.form.values |= values

    def tick(self, ticked: bool, name: str = "completed") -> None:
        """Ticks the box, or unticks it."""
        self.form.tick(name, ticked)

    def save(self) -> bool:
        """Whether it was saved; if not, the page that came back is the open one."""
        answer = self.client.post(self.path, self.form.values)
        if answer.status_code == 302:
            return True
        assert answer.status_code == 200
        self.page = answer.content.decode()
        self.form = Form(self.page, self.form_id)
        return False

    def errors(self, name: str) -> list[str]:
        """What the page says against one field."""
        row = re.search(
            rf'<div class="form-row[^>]*field-{name}".*', self.page, re.DOTALL
        )
        assert row
        own = row[0].split('<div class="form-row', 2)[1]
        lists = re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', own, re.DOTALL)
        return [
            unescape(line)
            for some in lists
            for line in re.findall(r"<li>(.*?)</li>", some, re.DOTALL)
        ]


def page_of(row: Task | TaskList | Tag) -> str:
    """The path of the row's page."""
    return f"/admin/tasks/{row._meta.model_name}/{row.pk}/change/"


def open_form(client: Client, row: Task | TaskList | Tag) -> Form:
    """The row's page, opened in a browser."""
    return Form(text(client.get(page_of(row))), f"{row._meta.model_name}_form")


def as_staff(user: User, *permissions: str) -> Client:
    """The admin, with the user signed in, who has these permissions only, and sees the
    tasks of all users."""
    return as_editor(user, *permissions, "view_all_tasks")


def as_editor(user: User, *permissions: str) -> Client:
    """The admin, with the user signed in, who has these permissions only."""
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    force_login(client, user)
    return client


def select(
    client: Client, action: str, *tasks: Task, across: bool = False, query: str = ""
) -> Any:
    """The page after an action is chosen for the tasks, or for all that the query finds."""
    return client.post(
        LIST + query,
        {
            "action": action,
            "_selected_action": [task.pk for task in tasks],
            "select_across": "1" if across else "0",
            "index": "0",
        },
        follow=True,
    )


def act(
    client: Client,
    action: str,
    *tasks: Task,
    across: bool = False,
    query: str = "",
    **values: str,
) -> Any:
    """The page after an action on the tasks, its values chosen, is confirmed and done."""
    page = select(client, action, *tasks, across=across, query=query)
    path = page.request["PATH_INFO"]
    if "/bulk/" not in path:
        return page
    if values:
        page = client.post(path, values, follow=True)
        if page.context["form"]:  # with errors
            return page
    return step(client, path, "confirm", title=page.context["title"])


def step(client: Client, path: str, name: str, **sent: str) -> Any:
    """The page after this step of a bulk change, and the job that it may begin."""
    answer = client.post(path, {"step": name, **sent})
    for job in Job.objects.unfinished():
        jobs.finish(job)
    return client.get(answer.headers["Location"])


def many_tasks(owner: User, count: int) -> list[Task]:
    return Task.objects.add_all(
        BY, owner.pk, [{"title": f"Task {number}"} for number in range(count)]
    )


def listed(client: Client, query: str) -> set[str]:
    """The titles on the page."""
    page = client.get(LIST, query_params=dict(re.findall(r"([^&=]+)=([^&]*)", query)))
    assert page.status_code == 200
    return {task.title for task in page.context["cl"].result_list}


def text(response: Any) -> str:
    """The page as a string."""
    content: bytes = response.content
    return content.decode()


def messages(response: Any) -> list[str]:
    """What the page tells about what was done, without its buttons."""
    told = map(str, response.context["messages"])
    return [re.sub("( ?<form.*</form>|<[^>]*>)", "", text) for text in told]


def written_columns(queries: CaptureQueriesContext) -> set[str]:
    """The columns of tasks that the captured UPDATEs set."""
    assignments = [
        re.search(r'^UPDATE "tasks_task" SET (.*?) WHERE ', query["sql"], re.DOTALL)
        for query in queries.captured_queries
    ]
    return {
        column
        for found in assignments
        if found
        for column in re.findall(r'"(\w+)" = ', found[1])
    }


def moment(day: str) -> datetime:
    """Noon of the day, in UTC."""
    return datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)


def row(task: Task) -> dict[str, Any]:
    """Every column, as it is stored now."""
    return row_of(Task.objects.get(pk=task.pk))


def row_of(task: Task) -> dict[str, Any]:
    """Every column, as it was when the task was read."""
    return {
        field.attname: getattr(task, field.attname)
        for field in Task._meta.concrete_fields
    }


def on_days(owner: User, *days: str) -> None:
    """A task made on each day, which is its title too."""
    for day in days:
        task = make_task(owner, day)
        Task.objects.filter(pk=task.pk).update(created_at=moment(day))
