"""The check of `manage.py doctor` that asks the identity provider."""

from django.conf import settings

from taskproject.accounts.issuer_keys import FetchFailed, fetch_keys
from taskproject.doctor import Options, Results, check, error, ok


@check("issuer")
def check_issuer(options: Options) -> Results:
    """Whether the keys of the identity provider can be fetched."""
    if not settings.OIDC_ISSUER:
        return
    try:
        keys = fetch_keys()
    except FetchFailed as failure:
        yield error(
            f"{failure}. Correct OIDC_ISSUER or OIDC_JWKS_URL, or let this host reach "
            "the provider; until then its tokens are 503."
        )
    else:
        yield ok(f"{settings.OIDC_ISSUER} publishes {len(keys)} keys for signatures.")
