"""Users, groups and API tokens in the admin."""

import re
from collections.abc import Sequence
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group
from django.db import IntegrityError, models, transaction
from django.db.models import ForeignKey, ManyToManyField, QuerySet
from django.forms import ModelChoiceField, ModelForm, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from taskproject.accounts import privileges
from taskproject.accounts.forms import TokenForm
from taskproject.accounts.invitations import no_sign_up, send_invitation
from taskproject.accounts.models import (
    ApiToken,
    ApiTokenQuerySet,
    Invitation,
    User,
)
from taskproject.accounts.privileges import may_see, viewer
from taskproject.accounts.second_factor import reset
from taskproject.job_admin import JobAdmin
from taskproject.problems import Unavailable
from tasks.jobs import remove_user
from tasks.models import Actor
from tasks.reminders import change_timezone

#: The lookups of filters and of the date hierarchy.
LOOKUPS = {"exact", "isnull", "gte", "lt"}


def is_plain(lookup: str, value: str) -> bool:
    """Whether the lookup in an address is one that filters use. Django allows staff all lookups
    of a model's own columns: costly or invalid regular expressions, lookups that the database
    does not support, and years beyond the calendar."""
    kind = lookup.rpartition("__")[2]
    if kind in ("year", "month", "day"):
        # The year 9999 ends beyond the calendar.
        return bool(re.fullmatch("(?!9999)[1-9][0-9]{0,3}", value, re.ASCII))
    return "__" not in lookup or kind in LOOKUPS


class PlainLookups(admin.ModelAdmin):
    """The pages of a model whose addresses may have plain lookups only."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return is_plain(lookup, value) and super().lookup_allowed(
            lookup, value, request
        )


@admin.register(User)
class UserAdmin(JobAdmin, PlainLookups, auth_admin.UserAdmin):
    """Users. Staff may edit users whose permissions they all have themselves."""

    class Media:
        js = ("taskproject/unsaved.js",)

    fieldsets = (
        *(auth_admin.UserAdmin.fieldsets or ()),
        ("Preferences", {"fields": ("timezone", "reminder_emails")}),
        ("Identity provider", {"fields": ("identity",)}),
    )
    search_fields = (*auth_admin.UserAdmin.search_fields, "identities__subject")

    @admin.display(description="known there as", empty_value="-")
    def identity(self, user: User) -> str:
        """What OIDC_ISSUER calls the user."""
        return ", ".join(map(str, user.identities.all()))

    actions = ("reset_mfa",)

    def save_model(
        self, request: HttpRequest, obj: User, form: ModelForm, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if change and "timezone" in form.changed_data:
            change_timezone(obj, obj.timezone)

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        """Also for the page that sets the password."""
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
        # The user alone chooses to get e-mails.
        own = ("identity", "reminder_emails")
        fields = (*super().get_readonly_fields(request, obj), *own)
        return fields if viewer(request).is_superuser else (*fields, "is_superuser")

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest, **kwargs: object
    ) -> ModelMultipleChoiceField | None:
        """Offers the groups and permissions that the editor may grant. The edited user has no
        others, so that saving takes none away."""
        editor = viewer(request)
        if db_field.name == "groups":
            kwargs["queryset"] = privileges.grantable_groups(editor)
        elif db_field.name == "user_permissions":
            kwargs["queryset"] = privileges.held(editor)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_deleted_objects(
        self, objs: Sequence[User] | QuerySet[User], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The users, and the numbers of related rows: Django would load and list a
        million tasks to ask whether to delete them."""
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
                number = rows.filter(**{field: list(objs)}).count()
                if not number:
                    continue
                counts[name] = number
                mine = self.admin_site._registry.get(relation.related_model)
                if mine:
                    # Tasks have another permission for permanent deletion.
                    delete = mine.has_delete_permission
                    may = getattr(mine, "has_remove_permission", delete)
                    if not may(request):
                        forbidden.add(name)
        return [str(user) for user in objs], counts, forbidden, []

    @admin.action(
        description="Remove the second factors of the selected users",
        permissions=["change"],
    )
    def reset_mfa(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """For those who have lost them; also ends their sessions."""
        mine = [user for user in queryset if self.has_change_permission(request, user)]
        lost = [user for user in mine if reset(user)]
        editor = viewer(request)
        LogEntry.objects.log_actions(
            editor.pk, lost, CHANGE, "Removed the second factor."
        )
        names = ", ".join(map(str, lost)) or "nobody"
        self.message_user(request, f"Removed the second factor of {names}.")

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        # The row is deleted by its key: `obj` is named in the message afterwards.
        job = remove_user(obj, Actor(request.user.pk, "admin"))
        if job is not None:
            doing = f"The user “{obj}” is disabled and is being deleted"
            self.run_job(request, job, doing, "rows")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            self.delete_model(request, user)


# Whoever could edit them could sign in as their users.
admin.site.unregister([EmailAddress, Authenticator, UserSession])
admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(auth_admin.GroupAdmin):
    """Groups. Staff may edit groups whose permissions they all have themselves."""

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


#: The number of tokens that one transaction revokes.
CHUNK = 500
# The read-only fields of a stored token.
STORED = ("prefix", "state", "created_at", "last_used_at", "revoked_at")


@admin.register(ApiToken)
class ApiTokenAdmin(PlainLookups):
    """Tokens can be created, shown once, and revoked. They are never edited or shown again.

    Staff can create tokens for themselves, and for others only if the token allows no more
    than they may do themselves. Revoking grants nothing, so that everybody who may change
    tokens may revoke those of others."""

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

    def has_change_permission(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> bool:
        """Users who may not create this token may not extend it either."""
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
        """The class is made for this request, and so may have attributes of the request."""
        form = super().get_form(request, obj, change, **kwargs)
        assert issubclass(form, TokenForm)
        form.editor = viewer(request)
        return form

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Users who may not view users can choose only themselves."""
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
        return () if obj is None else ("user", "scopes", *STORED)

    def get_fields(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> tuple[str, ...]:
        fields = ("user", "name", "scopes", "expires_at")
        return (*fields, "opened") if obj is None else (*fields, *STORED)

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiToken,
        form: TokenForm,
        change: bool,
    ) -> None:
        if change:
            # Only changed fields: the form may have an outdated revoked_at.
            obj.save(update_fields=form.changed_data)
        else:
            # Set on the row, because one admin object serves all threads.
            secret = form.secret(obj)
            try:
                with transaction.atomic():
                    secret = obj.issue(secret)
            except IntegrityError:
                # The same form was sent before.
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
        """The only page that shows the secret. No cache may store it."""
        return TemplateResponse(
            request,
            "admin/accounts/apitoken/issued.html",
            {
                **self.admin_site.each_context(request),
                "title": "Token created",
                "token": obj,
                "secret": obj.secret,
                "opts": self.opts,
            },
            headers={"Cache-Control": "no-store"},
        )

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: ApiTokenQuerySet) -> None:
        """Revokes tokens and logs each, in chunks of one transaction each."""
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


@admin.register(Invitation)
class InvitationAdmin(PlainLookups):
    """Invitations are added and deleted; adding one sends a mail."""

    list_display = ("email", "state", "invited_by", "created_at", "accepted_at")
    list_select_related = ("invited_by",)
    search_fields = ("email",)
    ordering = ("-id",)
    fields = ("email",)
    show_full_result_count = False

    def has_change_permission(
        self, request: HttpRequest, obj: Invitation | None = None
    ) -> bool:
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: Invitation,
        form: ModelForm,
        change: bool,
    ) -> None:
        obj.invited_by = viewer(request)
        super().save_model(request, obj, form, change)
        said = f"No mail was sent to {obj}."
        if hindrance := no_sign_up():
            self.message_user(request, f"{hindrance} {said}", messages.WARNING)
            return
        try:
            send_invitation(obj)
        except Unavailable as error:
            said = f"{error.detail} {said} Tell them to sign up with this address."
            self.message_user(request, said, messages.WARNING)
