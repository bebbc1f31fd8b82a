"""Users, and the API tokens of their programs."""

import hashlib
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Self

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import DatabaseError, models
from django.db.models import Q
from django.utils import timezone

from taskproject import timezones
from taskproject.names import fault
from taskproject.problems import Conflict
from taskproject.sql import Columns, Guard, adapted, fetch, this_thread

TOKEN_PREFIX = "tk_"
TOKEN_BYTES = 32
SHOWN_CHARACTERS = 11
TOKEN_NAME_LENGTH = 100
_OPENED = (
    'FROM "accounts_apitoken" JOIN "accounts_user" '
    'ON "accounts_user"."id" = "accounts_apitoken"."user_id" '
    'WHERE "accounts_apitoken"."digest"'
)
# The condition of `ApiToken.guard`.
_UNCHANGED = (
    f'EXISTS (SELECT 1 {_OPENED} = %s AND "accounts_user"."id" = %s '
    'AND "accounts_user"."is_active" AND "accounts_user"."timezone" = %s '
    'AND "accounts_apitoken"."scopes" = %s AND "revoked_at" IS NULL '
    'AND ("expires_at" IS NULL OR "expires_at" > %s) AND "last_used_at" > %s)'
)
# The least time between two updates of a token's last use, so that most reads write nothing.
LAST_USED_STEP = timedelta(minutes=1)
_DELETED = "The user was deleted meanwhile."
INVITATION_LIFETIME = timedelta(days=30)


def check_timezone(name: str) -> None:
    """Validates a name of the IANA's time zone database."""
    if name not in timezones.names():
        raise ValidationError(f"{name!r} is no time zone; {timezones.advice(name)}")


class User(AbstractUser):
    """A user, who owns tasks. A model of our own, so that columns can be added."""

    id = models.BigAutoField(primary_key=True)
    # Decides which day is today: a name of the IANA's time zone database.
    timezone = models.CharField(
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[check_timezone],
        help_text="Such as Europe/Lisbon: decides what is overdue and due today.",
    )
    # Whether reminders are sent by e-mail, too: what the user has chosen.
    reminder_emails = models.BooleanField(default=False, db_default=False)

    def store(self, **values: object) -> None:
        """Stores these fields, which must be valid. Raises `Conflict` if the user was deleted
        meanwhile."""
        if not User.objects.filter(pk=self.pk).update(**values):
            raise Conflict(_DELETED)
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def lock(cls, key: int) -> None:
        """Locks the user with this id until the transaction ends, so that concurrent requests
        cannot exceed a limit of what the user has. Raises `Conflict` as above."""
        found = cls.objects.select_for_update(no_key=True).filter(pk=key)
        if not found.values_list("pk", flat=True):
            raise Conflict(_DELETED)

    @classmethod
    def guest(cls, name: str) -> Self | None:
        """The user that requests without a credential act as, created at the first one. None if it is
        inactive or staff: the rights of staff must not be public."""
        user = cls.objects.filter(username=name).first()
        if user is None:
            user, _ = cls.objects.get_or_create(
                username=name, defaults={"password": make_password(None)}
            )
        trusted = user.is_staff or user.is_superuser
        return user if user.is_active and not trusted else None


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def matching(self, secret: str) -> Self:
        """The token with this secret."""
        return self.filter(digest=digest(secret))

    def opened_by(self, secret: str) -> "ApiToken | None":
        """The token with this secret, with its user; None if it is revoked or expired, or the user is
        inactive. The digest is looked up, so that timing reveals nothing about other secrets.

        Hand-written SQL: the ORM takes 0.5 ms to compose this statement, more than all the rest of
        reading a task."""
        token_columns, user_columns = _columns()
        rows = fetch(
            f"SELECT {token_columns.sql}, {user_columns.sql} {_OPENED} = %s",
            [digest(secret)],
        )
        if not rows:
            return None
        [row] = rows
        token = token_columns.instance(row[: len(token_columns)])
        token.user = user_columns.instance(row[len(token_columns) :])
        return token if token.usable else None

    def working(self) -> Self:
        """The tokens that are neither revoked nor expired."""
        ongoing = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
        return self.filter(ongoing, revoked_at__isnull=True)

    def revoke(self) -> int:
        """Revokes the tokens at once; returns how many were not revoked before."""
        return self.filter(revoked_at__isnull=True).update(revoked_at=timezone.now())


class ApiToken(models.Model):
    """A secret that lets a program act as a user.

    Only the SHA-256 of the secret is stored: a slow password hash would add nothing to its 256
    random bits. `prefix` is its beginning, by which users recognise it."""

    class Scopes(models.TextChoices):
        READ = "read", "read"
        WRITE = "write", "write"
        READ_WRITE = "read write", "read and write"

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(
        max_length=TOKEN_NAME_LENGTH, help_text="What uses it, such as 'phone'."
    )
    prefix = models.CharField(max_length=SHOWN_CHARACTERS, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.CharField(
        max_length=20, choices=Scopes.choices, default=Scopes.READ_WRITE
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: it does not expire."
    )
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    #: Of a token that was just issued: its secret, and whether the same form had issued
    #: it before.
    secret = ""
    is_reissued = False

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        constraints = (
            models.CheckConstraint(
                name="apitoken_scopes_known",
                condition=Q(scopes__in=["read", "write", "read write"]),
            ),
            models.CheckConstraint(
                name="apitoken_name_not_blank", condition=~Q(name="")
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def clean(self) -> None:
        """Validates the name of a new token; an old one keeps its name."""
        if self.pk is None and (wrong := fault(self.name)):
            raise ValidationError({"name": wrong})

    def issue(self, secret: str = "") -> str:
        """Gives the token a new secret, stores it, and returns the secret, which is not stored
        itself."""
        secret = secret or TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        self.prefix = secret[:SHOWN_CHARACTERS]
        self.digest = digest(secret)
        self.save()
        return secret

    def touch(self) -> None:
        """Records the use, at most once a minute, and only if that is possible without waiting: a read
        must not fail or wait because of another writer, a full disk or a locked row."""
        now = timezone.now()
        if self.last_used_at is None or self.last_used_at < now - LAST_USED_STEP:
            connection = this_thread.connection
            with suppress(DatabaseError), connection.no_lock_wait():
                fetch(
                    'UPDATE "accounts_apitoken" SET "last_used_at" = %s WHERE "id" = ('
                    'SELECT "id" FROM "accounts_apitoken" WHERE "id" = %s AND '
                    '("last_used_at" IS NULL OR "last_used_at" < %s)'
                    f'{connection.skip_locked}) RETURNING "id"',
                    [adapted(now), self.pk, adapted(now - LAST_USED_STEP)],
                )

    def guard(self) -> Guard:
        """The condition that the token is still valid, that it and its user have the values of
        this instance, and that its last use was recorded within the last minute. A statement
        of a request includes it instead of reading the token first."""
        now = timezones.now()
        return Guard(
            _UNCHANGED,
            (
                *(self.digest, self.user_id, self.user.timezone, self.scopes),
                *(adapted(now), adapted(now - LAST_USED_STEP)),
            ),
        )

    @property
    def usable(self) -> bool:
        """Whether it is neither revoked nor expired, and its user is active."""
        return self.state == "active" and self.user.is_active

    @property
    def state(self) -> str:
        """`active`, `revoked` or `expired`."""
        if self.revoked_at:
            return "revoked"
        expires: datetime | None = self.expires_at
        return "expired" if expires and expires <= timezone.now() else "active"


def digest(secret: str) -> str:
    """The stored form of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


@cache
def _columns() -> tuple[Columns[ApiToken], Columns[User]]:
    return Columns(ApiToken), Columns(User)


class SignInAttempt(models.Model):
    """A failed attempt to sign in, or one in progress; `attempts.py` counts them."""

    id = models.BigAutoField(primary_key=True)
    # SHA-256 of the user name or the address.
    key = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = (models.Index(fields=["key", "at"], name="sign_in_attempt_key"),)

    def __str__(self) -> str:
        return f"{self.key[:8]} at {self.at}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def accept(self, email: str) -> bool:
        """Accepts the pending invitation of this address, within a transaction; False if there
        is none."""
        row = self.select_for_update().filter(email=email.lower()).first()
        if row is None or row.state != "pending":
            return False
        row.accepted_at = timezone.now()
        row.save(update_fields=["accepted_at"])
        return True

    def reopen(self, email: str) -> None:
        """Makes the invitation of this address pending, as before it was accepted."""
        self.filter(email=email.lower()).update(accepted_at=None)

    def invite(self, email: str, by: User | None) -> "Invitation":
        """Invites an address, or renews its invitation."""
        values = {
            "invited_by": by,
            "created_at": timezone.now(),
            "accepted_at": None,
        }
        row, _ = self.update_or_create(email=email.lower(), defaults=values)
        return row


class Invitation(models.Model):
    """Permission to sign up with this e-mail address, where SIGNUP=invite. It has no secret:
    sign-up verifies the address."""

    id = models.BigAutoField(primary_key=True)
    email = models.EmailField(unique=True, help_text="Who may sign up.")
    invited_by = models.ForeignKey(
        User, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.email)

    def clean(self) -> None:
        """Addresses are compared without case."""
        self.email = self.email.lower()

    @property
    def state(self) -> str:
        """`accepted`, `pending` or `expired`."""
        if self.accepted_at:
            return "accepted"
        ends = self.created_at + INVITATION_LIFETIME
        return "pending" if ends > timezone.now() else "expired"


class IdentityQuerySet(models.QuerySet["Identity"]):
    def user_of(self, issuer: str, subject: str) -> User | None:
        """The user whom the provider knows by this subject. (Hand-written, as the statement
        that finds the user of an API token.)"""
        columns = _columns()[1]
        rows = fetch(
            f'SELECT {columns.sql} FROM "accounts_user" JOIN "accounts_identity" '
            'ON "accounts_identity"."user_id" = "accounts_user"."id" '
            'WHERE "subject" = %s AND "issuer" = %s',
            [subject, issuer],
        )
        return columns.instance(rows[0]) if rows else None


class Identity(models.Model):
    """The identity of a user at another identity provider: `iss` and `sub` of its tokens."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=512)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now)

    objects = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "identities"
        constraints = (
            models.UniqueConstraint(
                fields=["subject", "issuer"], name="identity_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"
