"""Every setting, read from the environment; `.env.example` lists the variables.

Defaults are the safe ones for production. A missing or malformed value stops the
service at once, with the name of the variable (see `environment.py`).
"""

import os
import sys
import zoneinfo
from pathlib import Path

import dotenv
from django.core.exceptions import ImproperlyConfigured

from taskproject import databases, environment

BASE_DIR = Path(__file__).resolve().parent.parent
dotenv.load_dotenv(BASE_DIR / ".env")

# Time zones are those of the pinned tzdata, whatever the host has (see `timezones.py`). Set
# here, because the settings are read before any time zone.
zoneinfo.reset_tzpath(to=[])
zoneinfo.ZoneInfo.clear_cache()

# Identity of this installation

SECRET_KEY = environment.secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = environment.secrets("SECRET_KEY_FALLBACKS")
DEBUG = environment.boolean("DEBUG", False)
ALLOWED_HOSTS = environment.hosts("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

# Apps and middleware

INSTALLED_APPS = [
    "taskproject",  # first: its templates replace those of the admin
    "taskproject.accounts.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "ninja",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.headless",
    "taskproject.accounts",
    "tasks",
]

# The middleware of pages, and of API requests with a cookie.
PAGE_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "taskproject.middleware.RefusalMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "taskproject.accounts.middleware.TimezoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "taskproject.accounts.middleware.HeadlessMiddleware",
]
# Every request passes the pipeline, which handles API requests itself: middleware that is to
# see all of them stands above it.
MIDDLEWARE = ["taskproject.pipeline.PipelineMiddleware", *PAGE_MIDDLEWARE]

ROOT_URLCONF = "taskproject.urls"
WSGI_APPLICATION = "taskproject.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "taskproject.date_formats"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database

DATABASE_CONNECT_TIMEOUT = environment.integer("DATABASE_CONNECT_TIMEOUT", 10, 1, 60)
# Seconds that an API request waits for PostgreSQL once it is connected. Cancelling may take
# another second, so that 503 is sent within five.
DATABASE_TIMEOUT = environment.integer("DATABASE_TIMEOUT", 2, 1, 60)
SQLITE_BUSY_TIMEOUT = environment.integer("SQLITE_BUSY_TIMEOUT", 2, 1, 60)
# Seconds after which a client that reads nothing of its export is disconnected.
EXPORT_TIMEOUT = environment.integer("EXPORT_TIMEOUT", 60, 1, 3_600)

_database = databases.database(
    "DATABASE_URL",
    f"sqlite:///{BASE_DIR}/db.sqlite3",
    connect_timeout=DATABASE_CONNECT_TIMEOUT,
    busy_timeout=SQLITE_BUSY_TIMEOUT,
)
DATABASES = {"default": _database}
# Whether the database is PostgreSQL; asking a connection takes 1 us.
ON_POSTGRESQL = _database["ENGINE"] == databases.POSTGRESQL
# The options by which `manage.py migrate` connects to the database, if they differ.
DATABASE_DIRECT = databases.same_database("DATABASE_DIRECT_URL", _database)
if _replica := databases.same_database("DATABASE_REPLICA_URL", _database):
    DATABASES["replica"] = _replica

# Cross-origin requests

CORS_ALLOWED_ORIGINS = environment.origins("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_ALL_ORIGINS = "*" in CORS_ALLOWED_ORIGINS
CORS_ALLOW_CREDENTIALS = environment.boolean("CORS_ALLOW_CREDENTIALS", False)
CORS_URLS_REGEX = r"^/((api|todo-backend)(/|$)|livez|readyz)"
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "if-match",
    "if-none-match",
    "x-csrftoken",
    "x-session-token",
    "x-email-verification-key",
    "x-password-reset-key",
    "x-request-id",
    # Headers that libraries add to every request of a page. One that is not allowed would make
    # all of them fail.
    "cache-control",
    "pragma",
    "user-agent",
    "x-requested-with",
    # Tracing: W3C, Sentry, Datadog, B3, New Relic, Elastic, Application Insights.
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "x-datadog-origin",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
    "b3",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "newrelic",
    "elastic-apm-traceparent",
    "request-context",
    "request-id",
    "x-correlation-id",
]
# Seconds that browsers keep the answer to a preflight. Firefox keeps it for at most a day,
# Chromium for two hours.
CORS_PREFLIGHT_MAX_AGE = 86_400
CORS_EXPOSE_HEADERS = [
    "Location",
    "Link",
    "ETag",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Request-ID",
    "API-Version",
    "Deprecation",
    "Sunset",
    "Idempotency-Replayed",
    "WWW-Authenticate",
    "Allow",
    "Content-Disposition",
    "X-CSRFToken",
]
if not CORS_ALLOW_CREDENTIALS:
    # For requests with credentials browsers take it for a name (Fetch, "CORS protocol and
    # credentials"); the pipeline then lists the headers that a response has.
    CORS_EXPOSE_HEADERS = ["*"]
if CORS_ALLOW_ALL_ORIGINS:
    if CORS_ALLOW_CREDENTIALS:
        raise ImproperlyConfigured(
            "CORS_ALLOWED_ORIGINS is * and CORS_ALLOW_CREDENTIALS is on: any site could "
            "act as its visitors. List the origins, or set CORS_ALLOW_CREDENTIALS=off."
        )
    CORS_ALLOWED_ORIGINS = []
CSRF_TRUSTED_ORIGINS = environment.origins("CSRF_TRUSTED_ORIGINS")
if "*" in CSRF_TRUSTED_ORIGINS:
    raise ImproperlyConfigured("CSRF_TRUSTED_ORIGINS cannot be *; list the origins.")

# The user that requests without a credential act as; empty: they get 401.
API_GUEST = environment.username("API_GUEST")
# Whether the guest's tasks are served at /todo-backend too, for tests of Todo-Backend clients.
TODO_BACKEND = environment.boolean("TODO_BACKEND", False)
if TODO_BACKEND and not API_GUEST:
    raise ImproperlyConfigured(
        "TODO_BACKEND is on and API_GUEST is empty: Todo-Backend has no credentials. Set "
        "API_GUEST, or TODO_BACKEND=off."
    )

# HTTPS

HTTPS = environment.boolean("HTTPS", True)
SESSION_ENGINE = "taskproject.accounts.sessions"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
# The sites whose pages may use the session. Writes need both cookies.
SESSION_COOKIE_SAMESITE = environment.choice(
    "SESSION_COOKIE_SAMESITE", "Lax", ["Strict", "Lax", "None"]
)
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE
if SESSION_COOKIE_SAMESITE == "None":
    if not HTTPS:
        raise ImproperlyConfigured(
            "SESSION_COOKIE_SAMESITE is None and HTTPS is off: browsers drop such a "
            "cookie unless it is sent over https only. Set HTTPS=on, or "
            "SESSION_COOKIE_SAMESITE=Lax."
        )
    if not (CORS_ALLOW_CREDENTIALS and CORS_ALLOWED_ORIGINS):
        raise ImproperlyConfigured(
            "SESSION_COOKIE_SAMESITE is None, and no other site may use the session: set "
            "CORS_ALLOW_CREDENTIALS=on and list its origin in CORS_ALLOWED_ORIGINS, or "
            "set SESSION_COOKIE_SAMESITE=Lax."
        )
    if not set(CORS_ALLOWED_ORIGINS) <= set(CSRF_TRUSTED_ORIGINS):
        raise ImproperlyConfigured(
            "SESSION_COOKIE_SAMESITE is None: list the origins in CORS_ALLOWED_ORIGINS "
            "in CSRF_TRUSTED_ORIGINS too, or their writes are refused."
        )
SECURE_SSL_REDIRECT = HTTPS
# A redirect would lose the body of a POST, and accept tokens sent unencrypted.
SECURE_REDIRECT_EXEMPT = [r"^(api|todo-backend)(/|$)", r"^livez", r"^readyz"]
_hsts = environment.integer("HSTS_SECONDS", 31_536_000, 0, 63_072_000)
SECURE_HSTS_SECONDS = _hsts if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
# The number of proxies that append to X-Forwarded-For; with 0 the client is the peer of the
# connection.
TRUST_X_FORWARDED_FOR = environment.integer("TRUST_X_FORWARDED_FOR", 0, 0, 10)
if environment.boolean("TRUST_X_FORWARDED_PROTO", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Of all pages, except those that set their own: the front page (front.py) and the
# interactive documentation (docs_page.py). Styles and scripts are files of this service.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

# Passwords and sessions

PASSWORD_HASHERS = [
    "taskproject.accounts.signin.Hasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation."
        "UserAttributeSimilarityValidator"
    },
]
# The first one takes user names, in the admin too; its sessions are those of 1.3.0.
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "taskproject.accounts.adapters.EmailBackend",
]
CSRF_FAILURE_VIEW = "taskproject.middleware.csrf_failure"
# Whether staff need a second factor in the admin.
STAFF_MFA = environment.choice("STAFF_MFA", "optional", ["required", "optional"])
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"

# Sign-up and sign-in of people, by django-allauth: /api/auth/

# Who may sign up: everybody, invited people, or nobody.
SIGNUP = environment.choice("SIGNUP", "closed", ["open", "invite", "closed"])
# The address of the frontend, for invitations.
FRONTEND_URL = environment.url("FRONTEND_URL")
# The address of this service, for links in mails.
PUBLIC_URL = environment.url("PUBLIC_URL").rstrip("/")
_mail = environment.mail("EMAIL_URL", "log:" if DEBUG else "")
EMAIL_BACKEND = _mail["BACKEND"]  # empty: no mail is sent, and what needs it is refused
EMAIL_HOST, EMAIL_PORT = _mail["HOST"], _mail["PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["USER"], _mail["PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail["STARTTLS"], _mail["TLS"]
EMAIL_TIMEOUT = 5  # seconds; a thread waits
DEFAULT_FROM_EMAIL = _mail["FROM"]
HEADLESS_ONLY = True
ACCOUNT_ADAPTER = "taskproject.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = ["email", "username"]
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
# By codes, which need no address of the frontend.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True  # twice
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]
ACCOUNT_SESSION_REMEMBER = True
# Nobody may become the guest, as whom everybody acts.
ACCOUNT_USERNAME_BLACKLIST = [API_GUEST] if API_GUEST else []
# `accounts/attempts.py` counts instead of allauth, as for MFA_RATE_LIMITS.
ACCOUNT_RATE_LIMITS = False
MFA_ADAPTER = "taskproject.accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
# The domain that passkeys belong to (the relying party id); empty: there are none.
PASSKEY_DOMAIN = environment.domain("PASSKEY_DOMAIN")
if PASSKEY_DOMAIN:
    MFA_SUPPORTED_TYPES.append("webauthn")
MFA_PASSKEY_LOGIN_ENABLED = bool(PASSKEY_DOMAIN)
MFA_RATE_LIMITS = False
MFA_TOTP_ISSUER = "Tasks"
# Also the codes of 30 seconds before and after (RFC 6238, section 5.2): one may expire while it is
# typed.
MFA_TOTP_TOLERANCE = 1
CACHES = {
    "default": {
        "BACKEND": "taskproject.cache.DatabaseCache",
        "LOCATION": "taskproject_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# Tokens of another identity provider, which the API accepts beside its own (see `oidc.py`)

OIDC_ISSUER = environment.issuer("OIDC_ISSUER", HTTPS)  # empty: none are accepted
OIDC_AUDIENCE = environment.words("OIDC_AUDIENCE")
if OIDC_ISSUER and not OIDC_AUDIENCE:
    raise ImproperlyConfigured(
        "OIDC_ISSUER is set and OIDC_AUDIENCE is empty: tokens that the provider has made "
        "for other services would be accepted. Set OIDC_AUDIENCE to what is in their aud."
    )
# The address of its keys, where the provider has no discovery document.
OIDC_JWKS_URL = environment.issuer("OIDC_JWKS_URL", HTTPS)
# Whether a token that names none of this service's scopes may do nothing.
OIDC_REQUIRE_SCOPES = environment.boolean("OIDC_REQUIRE_SCOPES", False)

# API requests a minute: of one caller, which is a credential or else an address, and of one
# address with whatever credentials. 0: without limit.
RATE_LIMIT = environment.integer("RATE_LIMIT", 6_000, 0, 1_000_000)
RATE_LIMIT_ADDRESS = environment.integer("RATE_LIMIT_ADDRESS", 30_000, 0, 1_000_000)

# Whether API requests send Django's signals `request_started` and `request_finished`,
# which agents such as Sentry's hook into; 0.05 ms a request.
REQUEST_SIGNALS = environment.boolean("REQUEST_SIGNALS", False)

# Writes

# Whether a change without If-Match is refused with 428.
REQUIRE_IF_MATCH = environment.boolean("REQUIRE_IF_MATCH", False)
# How long `manage.py purge` keeps rows.
TRASH_DAYS = environment.integer("TRASH_DAYS", 30, 0, 36_500)
IDEMPOTENCY_HOURS = environment.integer("IDEMPOTENCY_HOURS", 24, 1, 8_760)
EVENT_DAYS = environment.integer("EVENT_DAYS", 90, 1, 36_500)
ADMIN_LOG_DAYS = environment.integer("ADMIN_LOG_DAYS", 365, 1, 36_500)
WEBHOOK_LOG_DAYS = environment.integer("WEBHOOK_LOG_DAYS", 14, 1, 36_500)

# Webhooks

# Hosts that webhooks may call by http too, and at private addresses.
WEBHOOK_ALLOWED_HOSTS = [
    host.lower().strip("[]") for host in environment.hosts("WEBHOOK_ALLOWED_HOSTS", "")
]

# Limits

DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024  # bytes of a request body
FILE_UPLOAD_HANDLERS = ["taskproject.upload_handler.RefuseFiles"]

# Static files are served from the packages that contain them, without collectstatic.

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# Logs, on standard error: one JSON object a line, or text for people at a terminal.

LOG_FORMAT = environment.choice(
    "LOG_FORMAT", "text" if sys.stderr.isatty() else "json", ["json", "text"]
)
LOG_LEVEL = environment.choice(
    "LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"]
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "taskproject.logs.JSONFormatter"},
        "text": {"()": "taskproject.logs.TextFormatter"},
    },
    "handlers": {
        "stderr": {"class": "taskproject.logs.LineHandler", "formatter": LOG_FORMAT}
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # The pipeline logs each request; Django's own line would repeat it.
        "django.request": {
            "handlers": [],
            "level": "ERROR" if DEBUG else "CRITICAL",
            "propagate": True,
        },
        "django.security": {"handlers": [], "level": "CRITICAL", "propagate": True},
    },
}

# Where errors are sent, as Sentry names it (a DSN); empty: nowhere.
SENTRY_DSN = environment.text("SENTRY_DSN")
environment.require("SENTRY_DSN", "sentry_sdk", "sentry-sdk>=2.75,<3")

# /metrics for Prometheus: off (404) unless one of these is set. If both are, both must hold.

# The token that it asks for.
METRICS_TOKEN = environment.token("METRICS_TOKEN")
# The addresses and networks that it answers to.
METRICS_ADDRESSES = environment.networks("METRICS_ADDRESSES")
if METRICS_TOKEN or METRICS_ADDRESSES:
    MIDDLEWARE = ["taskproject.metrics.MetricsMiddleware", *MIDDLEWARE]

# Where traces are sent. The SDK of OpenTelemetry reads its other settings (OTEL_...) itself.
OTEL_EXPORTER_OTLP_ENDPOINT = environment.url("OTEL_EXPORTER_OTLP_ENDPOINT")
environment.require(
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry.exporter.otlp.proto.http"),
    "opentelemetry-exporter-otlp-proto-http>=1.45,<2",
)
if OTEL_EXPORTER_OTLP_ENDPOINT:
    MIDDLEWARE = ["taskproject.tracing.TracingMiddleware", *MIDDLEWARE]

# manage.py serve

HOST = environment.text("HOST", "127.0.0.1")
PORT = environment.integer("PORT", 8000, 1, 65_535)
WORKERS = environment.integer("WORKERS", min(os.cpu_count() or 1, 32), 1, 256)
# More than one, for what waits for the database: with six, PostgreSQL makes the writes of
# several durable at once (2 -> 4: a quarter more writes, a tenth more reads a second;
# 4 -> 6: a twentieth more writes). With many processors fewer, so that a PostgreSQL as it is
# installed (100 connections, 3 of them reserved) has enough for all, for the three more of each
# process (request_queue.py), and for its `/readyz`.
THREADS = environment.integer("THREADS", min(6, max(2, 90 // WORKERS - 4)), 1, 64)
# The requests of each process that wait for a thread: those of 1,000 clients that send one at once,
# even if all connections lead to one process.
QUEUE = environment.integer("QUEUE", 1_024, 1, 8_192)
# Whether it runs `manage.py work` too.
SERVE_WORK = environment.boolean("SERVE_WORK", True)

# The port of `manage.py push`, which `serve` runs too; 0: it does not run.
PUSH_PORT = environment.integer("PUSH_PORT", 0, 0, 65_535)
# The number of streams that it keeps open at a time.
PUSH_STREAMS = environment.integer("PUSH_STREAMS", 5_000, 1, 100_000)

# manage.py work

# Seconds after which it asks the database at the latest for what was added meanwhile.
WORK_INTERVAL = environment.integer("WORK_INTERVAL", 5, 1, 3_600)
