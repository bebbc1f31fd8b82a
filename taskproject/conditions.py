"""Conditional requests (RFC 9110, section 13), with a row's version as its validator."""

import re

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import parse_etags

from taskproject.problems import MalformedCondition, VersionRequired

# A PostgreSQL bigint has at most 19 digits; no version gets there. What may follow is what
# a representation has besides its row (see tasks.api.answers.etag); no write is about it.
VERSION = re.compile(r'"([1-9][0-9]{0,17})(?:-[0-9]*(?:overdue)?)?"')


def expected_versions(request: HttpRequest) -> set[int] | None:
    """The versions that If-Match allows the change to be made to; None for any.

    Comparison is strong: a weak tag (`W/"7"`) matches nothing. Without the header, 428
    where REQUIRE_IF_MATCH is on.
    """
    header = request.META.get("HTTP_IF_MATCH")
    if header is None:
        refusal = check_version_given(None)
        if refusal:
            raise refusal
        return None
    tags = parse_etags(header)
    if not tags:
        raise MalformedCondition('Send If-Match: "7", in double quotes, or *.')
    if tags == ["*"]:
        return None
    return {int(match[1]) for tag in tags if (match := VERSION.fullmatch(tag))}


def check_version_given(versions: set[int] | None) -> VersionRequired | None:
    """The problem of a change that names no version, where REQUIRE_IF_MATCH is on."""
    if versions is None and settings.REQUIRE_IF_MATCH:
        return VersionRequired(
            'Send If-Match with the ETag you read, such as "7"; in a batch, `version`.'
        )
    return None


def not_modified(request: HttpRequest, etag: str) -> bool:
    """Whether If-None-Match says that the caller has this representation already."""
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return False
    tags = parse_etags(header)
    return tags == ["*"] or etag in {tag.removeprefix("W/") for tag in tags}
