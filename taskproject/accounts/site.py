"""The admin site, and how staff sign in to it."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, PasswordChangeView, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from taskproject.accounts import attempts, second_factor
from taskproject.accounts.privileges import viewer
from taskproject.accounts.signin import ChangeForm, RefusingView, SignInForm
from taskproject.health import require_migrations

#: The models in the order of the menu and of the first page, those of an app together.
#: Others follow by their names.
ORDER = (
    "Task",
    "TaskList",
    "Tag",
    "Webhook",
    "Group",
    "User",
    "Invitation",
    "ApiToken",
)

View = TypeVar("View", bound=Callable[..., Any])
SESSION_ENDED = (
    "Your session has ended, so that nothing was stored of what you sent. Log in, and send "
    "it again."
)


def _place(model: Mapping[str, object]) -> int:
    name = str(model["object_name"])
    return ORDER.index(name) if name in ORDER else len(ORDER)


class StaffSite(AdminSite):
    site_header = site_title = "Tasks"
    index_title = "Administration"
    # It would take a quarter of the width of the list of tasks.
    enable_nav_sidebar = False
    login_form = SignInForm

    def get_urls(self) -> list[URLResolver | URLPattern]:
        return [
            path("login/code/", self.login_code, name="login_code"),
            path("second-factor/", self.second_factor, name="second_factor"),
            *super().get_urls(),
        ]

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[object]:
        """The apps with their models in ORDER."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["models"].sort(key=_place)
        return sorted(apps, key=lambda app: _place(app["models"][0]))

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """As Django's, which leads those without a session to the sign-in: what they sent is
        lost, and the page says so."""
        checked = super().admin_view(view, cacheable)

        @wraps(checked)
        def announced(request: HttpRequest, *args: Any, **options: Any) -> Any:
            leaves = request.path == reverse("admin:logout", current_app=self.name)
            if request.method == "POST" and request.user.is_anonymous and not leaves:
                messages.warning(request, SESSION_ENDED)
            return checked(request, *args, **options)

        return cast(View, announced)

    def has_permission(self, request: HttpRequest) -> bool:
        """Also that a second factor was given in the session, where staff need one. Without
        it they may sign out."""
        if not super().has_permission(request):
            return False
        require_migrations()
        if settings.STAFF_MFA != "required" or second_factor.was_given(request):
            return True
        return request.path == reverse("admin:logout")

    @method_decorator(never_cache)
    @login_not_required
    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """As Django's view, with another form. Staff whose session is not enough are led
        to what is missing."""
        if request.method == "GET" and super().has_permission(request):
            if self.has_permission(request):
                return redirect("admin:index")
            return second_factor.redirect_to_factor(request, viewer(request))
        context = {
            **self.each_context(request),
            "title": "Log in",
            "subtitle": None,
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            **(extra_context or {}),
        }
        response = SignInView.as_view(extra_context=context)(request)
        assert isinstance(response, HttpResponse)
        return response

    def password_change(  # type: ignore[override]  # it redirects as well
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """As Django's view, with another form."""
        context = {**self.each_context(request), **(extra_context or {})}
        response = PasswordView.as_view(extra_context=context)(request)
        assert isinstance(response, HttpResponse)
        return response

    @method_decorator([never_cache, csrf_protect, sensitive_post_parameters()])
    @login_not_required
    def login_code(self, request: HttpRequest) -> HttpResponse:
        return second_factor.code_view(self, request)

    @method_decorator([never_cache, csrf_protect, sensitive_post_parameters()])
    @login_not_required
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """For all staff who are signed in, with a second factor or without."""
        if not super().has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return second_factor.factor_view(self, request)


class PasswordView(RefusingView, PasswordChangeView):
    form_class = ChangeForm
    success_url = reverse_lazy("admin:password_change_done")


class SignInView(RefusingView, LoginView):
    """Signs staff in, or asks for the second factor of those who have one."""

    authentication_form = SignInForm
    template_name = "admin/login.html"

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if second_factor.has_factor(user):
            return second_factor.ask(self.request, user, self.get_success_url())
        second_factor.start_session(self.request, user, None)
        response = HttpResponseRedirect(self.get_success_url())
        attempts.remember(response, user, reverse("admin:index"))
        return response
