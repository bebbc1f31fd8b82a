#!/usr/bin/env bash
# httpx 0.28.1 (Python) throws the query of a URL away once it has parameters of its own: the next
# page /tasks?cursor=42&list=7 with params={"limit": 50} is /tasks?limit=50, the first page of all
# lists, and with params={} it is /tasks. A client made with params={"tz": "UTC"} asks for
# /tasks?tz=UTC whatever the query of the URL is, so that a Link to the next page is the first page
# again; the Location of a redirect it takes as it is. {"list": None} is sent as ?list=, which is an
# empty text. requests 2.34.2 keeps the query, adds to it, and leaves None out.
#
# httpx documents `params` as "Query parameters to include in the URL", and those of a client as
# "to include in request URLs". In RFC 8288, section 3, the target of a link is a whole URI. One
# would guess that the parameters are added to those of the URL.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'httpx==0.28.1' 'requests==2.34.2'
cat > check.py <<'PYTHON'
import httpx
import requests

NEXT = "https://tasks.example/tasks?cursor=42&list=7"


def path(url):
    return str(url).removeprefix("https://tasks.example")


def both(params):
    of_requests = requests.Request("GET", NEXT, params=params).prepare().url
    return path(httpx.Request("GET", NEXT, params=params).url), path(of_requests)


known = [
    (None, "/tasks?cursor=42&list=7", "/tasks?cursor=42&list=7"),
    ({"limit": 50}, "/tasks?limit=50", "/tasks?cursor=42&list=7&limit=50"),
    ({}, "/tasks", "/tasks?cursor=42&list=7"),
    ({"list": None}, "/tasks?list=", "/tasks?cursor=42&list=7"),
]
for params, *expected in known:
    seen = both(params)
    print(f"params={params}: httpx {seen[0]}, requests {seen[1]}")
    assert [*seen] == expected, "this has changed"

seen = []


def answer(request):
    """The first of two pages, with a link to the second; `/old` has moved to `/tasks`."""
    seen.append(path(request.url))
    if request.url.path == "/old":
        return httpx.Response(307, headers={"Location": NEXT})
    link = {} if "cursor" in request.url.params else {"Link": f'<{NEXT}>; rel="next"'}
    return httpx.Response(200, headers=link)


transport = httpx.MockTransport(answer)
client = httpx.Client(transport=transport, params={"tz": "UTC"}, follow_redirects=True)
first = client.get("https://tasks.example/tasks?list=7")
second = client.get(first.links["next"]["url"])
client.get("https://tasks.example/old")
session = requests.Session()
session.params = {"tz": "UTC"}
kept = path(session.prepare_request(requests.Request("GET", NEXT)).url)
print("a client with tz=UTC asks for", ", ".join(seen), "- a session of requests for", kept)
assert seen == ["/tasks?tz=UTC", "/tasks?tz=UTC", "/old?tz=UTC", NEXT[21:]], "this has changed"
assert "next" in second.links, "this has changed"
assert kept == "/tasks?cursor=42&list=7&tz=UTC", "this has changed"
PYTHON
venv/bin/python check.py
