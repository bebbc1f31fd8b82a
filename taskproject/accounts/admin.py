"""People and their tokens in the admin."""

import re
from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import IntegrityError, models, transaction
from django.db.models import ForeignKey, ManyToManyField, QuerySet
from django.forms import ModelChoiceField, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from taskproject import jobs
from taskproject.accounts import privileges
from taskproject.accounts.forms import TokenForm
from taskproject.accounts.models import ApiToken, ApiTokenQuerySet, User
from taskproject.accounts.privileges import may_see, viewer
from taskproject.accounts.signin import SignInForm, with_status
from tasks.jobs import remove_user
from tasks.models import Actor

admin.site.site_header = admin.site.site_title = "Tasks"
admin.site.index_title = "Administration"
# It would take a quarter of the width that a list of tasks needs; the index is one click
# away.
admin.site.enable_nav_sidebar = False
admin.site.login_form = SignInForm
admin.site.login = with_status(admin.site.login)  # type: ignore[method-assign]  # Django has no other hook


#: What the filters and the date hierarchy of a list ask of a column.
LOOKUPS = {"exact", "isnull", "gte", "lt"}


def is_plain(lookup: str, value: str) -> bool:
    """Whether an address asks for no more than a filter would. Django lets staff ask
    anything of a model's own columns: a regular expression, be it costly or broken, what
    the database has no answer to, or a year beyond the calendar."""
    kind = lookup.rpartition("__")[2]
    if kind in ("year", "month", "day"):
        # The end of the last year is beyond the calendar, too.
        return bool(re.fullmatch("(?!9999)[1-9][0-9]{0,3}", value, re.ASCII))
    return "__" not in lookup or kind in LOOKUPS


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Users, edited by staff who hold all that these hold."""

    class Media:
        js = ("taskproject/unsaved.js",)

    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Preferences", {"fields": ("timezone",)}),
    )

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        """Of their password as well: the page that sets it asks for this, too."""
        return super().has_change_permission(request, obj) and (
            obj is None or privileges.may_edit_user(viewer(request), obj)
        )

    def has_delete_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        return super().has_delete_permission(request, obj) and (
            obj is None or privileges.may_edit_user(viewer(request), obj)
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: User | None = None
    ) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if viewer(request).is_superuser else (*fields, "is_superuser")

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest, **kwargs: object
    ) -> ModelMultipleChoiceField | None:
        """Offers the groups and permissions that the editor can grant. These are all
        that the edited user has, so that saving takes none away unseen."""
        editor = viewer(request)
        if db_field.name == "groups":
            kwargs["queryset"] = privileges.grantable_groups(editor)
        elif db_field.name == "user_permissions":
            kwargs["queryset"] = privileges.held(editor)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return is_plain(lookup, value) and super().lookup_allowed(
            lookup, value, request
        )

    def get_deleted_objects(
        self, objs: Sequence[User] | QuerySet[User], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What goes with the users, counted: Django would load and list a million
        tasks to ask whether to delete them."""
        counts = {str(self.opts.verbose_name_plural): len(objs)}
        forbidden: set[str] = set()
        if not all(self.has_delete_permission(request, user) for user in objs):
            forbidden.add("users who hold permissions that you do not hold")
        for relation in self.opts.get_fields(include_hidden=True):
            if not isinstance(relation, models.ForeignObjectRel):
                continue
            if relation.on_delete is models.CASCADE:
                rows = relation.related_model._base_manager
                name = str(relation.related_model._meta.verbose_name_plural)
                field = f"{relation.field.name}__in"
                counts[name] = rows.filter(**{field: list(objs)}).count()
                mine = self.admin_site._registry.get(relation.related_model)
                if mine and counts[name]:
                    # Tasks have a permission of their own for deleting for good.
                    delete = mine.has_delete_permission
                    may = getattr(mine, "has_remove_permission", delete)
                    if not may(request):
                        forbidden.add(name)
        return [str(user) for user in objs], counts, forbidden, []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        # By key: the page says the user's name afterwards.
        job = remove_user(obj, Actor(request.user.pk, "admin"))
        if job is not None and jobs.run(job).finished_at is None:
            self.message_user(
                request,
                f"{obj} is disabled and is being deleted in the background, with "
                f"{job.total:,} tasks and events. Reload the list to see when it has "
                "finished.",
                messages.WARNING,
            )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            self.delete_model(request, user)


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """Groups, edited by staff who hold every permission that these give."""

    class Media:
        js = ("taskproject/unsaved.js",)

    def has_change_permission(
        self, request: HttpRequest, obj: Group | None = None
    ) -> bool:
        return super().has_change_permission(request, obj) and (
            obj is None or privileges.may_edit_group(viewer(request), obj)
        )

    def has_delete_permission(
        self, request: HttpRequest, obj: Group | None = None
    ) -> bool:
        return super().has_delete_permission(request, obj) and (
            obj is None or privileges.may_edit_group(viewer(request), obj)
        )

    def formfield_for_manytomany(
        self,
        db_field: ManyToManyField,
        request: HttpRequest | None = None,
        **kwargs: object,
    ) -> ModelMultipleChoiceField | None:
        if db_field.name == "permissions" and request is not None:
            kwargs["queryset"] = privileges.held(viewer(request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)


#: Tokens that are revoked in one transaction.
CHUNK = 500
# What the service knows of a token that exists.
MADE = ("prefix", "state", "created_at", "last_used_at", "revoked_at")


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens are made, shown once, and revoked; never edited or shown again.

    Staff make tokens for themselves, and for others only what they could do here anyway.
    Revoking grants nothing: whoever may change tokens may revoke anybody's.
    """

    class Media:
        js = ("taskproject/unsaved.js",)

    form = TokenForm
    list_display = (
        "name",
        "user",
        "prefix",
        "scopes",
        "state",
        "expires_at",
        "last_used_at",
    )
    list_filter = ("scopes", "revoked_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-id",)
    show_full_result_count = False
    actions = ("revoke",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return is_plain(lookup, value) and super().lookup_allowed(
            lookup, value, request
        )

    def has_change_permission(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> bool:
        """Who may not make this token may not prolong it either."""
        return super().has_change_permission(request, obj) and (
            obj is None
            or privileges.may_issue_token(viewer(request), obj.user, obj.scopes)
        )

    def has_delete_permission(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> bool:
        return super().has_delete_permission(request, obj) and (
            obj is None or privileges.may_edit_user(viewer(request), obj.user)
        )

    def get_form(
        self,
        request: HttpRequest,
        obj: ApiToken | None = None,
        change: bool = False,
        **kwargs: object,
    ) -> type[TokenForm]:
        """A class of this request's own: it may hold what only this request knows."""
        form = super().get_form(request, obj, change, **kwargs)
        assert issubclass(form, TokenForm)
        form.editor = viewer(request)
        return form

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Who may not see the users chooses among none."""
        return ("user",) if may_see(request, User) else ()

    def formfield_for_foreignkey(
        self, db_field: ForeignKey, request: HttpRequest, **kwargs: object
    ) -> ModelChoiceField | None:
        if db_field.name == "user":
            editor = viewer(request)
            kwargs["initial"] = editor.pk
            if not may_see(request, User):
                kwargs["queryset"] = User.objects.filter(pk=editor.pk)
                kwargs["empty_label"] = None
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else ("user", "scopes", *MADE)

    def get_fields(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> tuple[str, ...]:
        fields = ("user", "name", "scopes", "expires_at")
        return (*fields, "opened") if obj is None else (*fields, *MADE)

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiToken,
        form: TokenForm,
        change: bool,
    ) -> None:
        if change:
            # Nothing changed: nothing is written, least of all an old revoked_at.
            obj.save(update_fields=form.changed_data)
        else:
            # On the row, not on self: one admin object serves every thread.
            secret = form.secret(obj)
            try:
                with transaction.atomic():
                    secret = obj.issue(secret)
            except IntegrityError:
                # The form was sent before: the page is reloaded, or went out twice.
                obj.pk = ApiToken.objects.matching(secret).get().pk
                obj.refresh_from_db()
                obj.is_reissued = True
            obj.secret = secret

    # (Django ignores what this returns.)
    def log_addition(self, request: HttpRequest, obj: ApiToken, message: object) -> Any:
        if not obj.is_reissued:
            return super().log_addition(request, obj, message)
        return None

    def response_add(
        self, request: HttpRequest, obj: ApiToken, *args: object, **kwargs: object
    ) -> HttpResponse:
        """The only page that ever shows the secret, and no cache may keep it."""
        return TemplateResponse(
            request,
            "admin/accounts/apitoken/issued.html",
            {
                **self.admin_site.each_context(request),
                "title": "Token made",
                "token": obj,
                "secret": obj.secret,
                "opts": self.opts,
            },
            headers={"Cache-Control": "no-store"},
        )

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: ApiTokenQuerySet) -> None:
        """Writes the history of each as well, in chunks, each in a transaction."""
        working = queryset.filter(revoked_at__isnull=True).order_by()
        keys = list(working.values_list("pk", flat=True))
        revoked = 0
        for start in range(0, len(keys), CHUNK):
            chunk = ApiToken.objects.filter(pk__in=keys[start : start + CHUNK])
            with transaction.atomic():
                locked = chunk.filter(revoked_at__isnull=True).select_for_update()
                tokens = list(locked.order_by("pk"))
                chosen = ApiToken.objects.filter(pk__in=[token.pk for token in tokens])
                revoked += chosen.revoke()
                LogEntry.objects.log_actions(
                    viewer(request).pk, tokens, CHANGE, "Revoked."
                )
        plural = "" if revoked == 1 else "s"
        self.message_user(request, f"Revoked {revoked} token{plural}.")
