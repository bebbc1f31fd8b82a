"""`/api/auth/`: sign-up and sign-in by django-allauth, as far as this service offers it.

This is a URLconf of its own, which the first request loads: allauth's views take 12 MB
and 0.1 s to import."""

from collections.abc import Iterator

from allauth.headless import urls
from django.urls import URLPattern, URLResolver, path

#: Views of allauth for what is not offered: telephones, codes instead of passwords, and
#: tokens of its own.
NOT_OFFERED = {
    "confirm_login_code",
    "confirm_reauthentication_code",
    "manage_phone",
    "refresh",
    "request_reauthentication_code",
    "resend_phone_verification_code",
    "resend_reauthentication_code",
    "verify_phone",
}


def _offered(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[URLPattern]:
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _offered(pattern.url_patterns, route)
        elif pattern.name not in NOT_OFFERED:
            yield path(f"api/auth/{route}", pattern.callback)


urlpatterns = [*_offered(urls.urlpatterns)]
