"""`/unsubscribe/…`: ends the e-mails of reminders, by a link in each of them.

The link is signed and needs no sign-in. A GET shows a page with a button, because programs
follow the links of mails; only a POST changes something: that of the button, or of a mail
program (RFC 8058)."""

from django.core.signing import BadSignature, Signer
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from taskproject.accounts.models import User

_signer = Signer(salt="tasks.unsubscribe", sep=".")


def path_of(user_id: int) -> str:
    """The path of the link of a user. It does not expire."""
    return f"/unsubscribe/{_signer.sign(str(user_id))}"


# The signature is what a mail program has instead of a cookie.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, signed: str) -> HttpResponse:
    """A page, also after the change, which can be repeated. 404 for another link."""
    try:
        users = User.objects.filter(pk=int(_signer.unsign(signed)))
    except (BadSignature, ValueError):
        raise Http404 from None
    if request.method == "POST":
        users.update(reminder_emails=False)
    ended = not users.filter(reminder_emails=True).exists()
    response = render(request, "unsubscribe.html", {"ended": ended})
    # Neither kept nor told to other sites: the address is a secret of the user.
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
