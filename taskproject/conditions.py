"""Conditional requests (RFC 9110, section 13).

An ETag consists of the version of a row, a dot, the number of the format of its
representation, a hyphen, and what the representation has in addition to the row:
`"7.2-3overdue"`. If-Match compares the version only, and also accepts the tags of earlier
releases, which lack the format.
"""

import re
from collections.abc import Collection

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import parse_etags

from taskproject.compression import uncompressed_tag
from taskproject.problems import (
    AlteredTag,
    Invalid,
    MalformedCondition,
    StaleVersion,
    VersionRequired,
)

# At most 18 digits, so that a version is within PostgreSQL's bigint.
VERSION = re.compile(
    r'"([1-9][0-9]{0,17})(?:\.[0-9]{1,9})?(?:-[0-9]*(?:overdue)?)?(?:-gzip)?"'
)
# Tags as changed by proxies that compress: W/"7" (nginx), "7-br" (Apache).
ALTERED = re.compile(r'(?:W/)?"([1-9][0-9]{0,17})(?:[^0-9"][^"]*)?"')


class Versions(set[int]):
    """The versions in If-Match. `altered` has the tags, by their versions, that match
    nothing because a proxy has made them weak or longer."""

    def __init__(self, tags: Collection[str]) -> None:
        super().__init__(
            int(match[1]) for tag in tags if (match := VERSION.fullmatch(tag))
        )
        self.altered = {
            int(match[1]): tag
            for tag in tags
            if not VERSION.fullmatch(tag) and (match := ALTERED.fullmatch(tag))
        }


def expected_versions(
    request: HttpRequest, version: int | None = None
) -> set[int] | None:
    """The versions to which If-Match, or the `version` in the body, allows the change to be
    made; None for any. 422 if they differ.

    Comparison is strong: a weak tag (`W/"7"`) matches nothing. Without either, 428 where
    REQUIRE_IF_MATCH is on.
    """
    header = request.META.get("HTTP_IF_MATCH")
    if header is None:
        versions = None if version is None else {version}
        refusal = check_version_given(versions)
        if refusal:
            raise refusal
        return versions
    tags = parse_etags(header)
    if not tags:
        raise MalformedCondition('Send If-Match: "7", in double quotes, or *.')
    if tags == ["*"]:
        return None if version is None else {version}
    versions = Versions(tags)
    if version is not None and versions != {version}:
        raise other_version("If-Match")
    return versions


def other_version(place: str) -> Invalid:
    """The problem of a version in the body that is not the one in another place."""
    detail = f"Send one version: here, in {place}, or the same in both."
    return Invalid.of("version", detail, "two_versions")


def stale_version(
    versions: set[int],
    version: int,
    etag: str,
    current: dict[str, object],
    changed: list[str] | None,
) -> StaleVersion:
    """The problem of a change to other versions than the row's. `current` represents the
    row; `changed` are the members that differ from the expected version."""
    kind, detail = (
        StaleVersion,
        "Merge with `current`, then send its version.",
    )
    altered = versions.altered if isinstance(versions, Versions) else {}
    if version in altered:
        kind, changed = AlteredTag, []
        detail = (
            f"{altered[version][:100]} in If-Match matches nothing: a proxy that "
            "compresses responses has made the ETag weak or longer. Nothing else has "
            f'changed. Send If-Match: "{version}", the version, in double quotes.'
        )
    headers = {"ETag": etag}
    return kind(detail, headers=headers, current=current, changed=changed)


def check_version_given(versions: set[int] | None) -> VersionRequired | None:
    """The problem of a change without a version, if REQUIRE_IF_MATCH is on."""
    if versions is None and settings.REQUIRE_IF_MATCH:
        return VersionRequired(
            'Send the version that you read, as If-Match: "7" or, except with DELETE, as '
            "`version` in the body."
        )
    return None


def not_modified(request: HttpRequest, etag: str) -> bool:
    """Whether If-None-Match has this ETag: the client has the representation already."""
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return False
    tags = parse_etags(header)
    return tags == ["*"] or etag in {
        uncompressed_tag(tag.removeprefix("W/")) for tag in tags
    }
