"""What is shown of a disk's source: neither credentials nor a query, which may hold a token.

A source is a path, a URL (https://user:password@host/image?token=...), QEMU's own notation (rbd:pool/image:key=...,
json:{...}) or a list of options (portal=...,user=...,password=...). An option is shown only if it is known to be
harmless.
"""

import re

_PATH = re.compile(r"\.{0,2}/(?!/)")
_URL = re.compile(r"^[A-Za-z][\w+.-]*:|(?:^|:)//")
_JSON = re.compile(r"(?<![\w.-])json:.*", re.DOTALL)
_USER = re.compile(r"((?:^/|:)/{0,2}/)[^/?#]*@")
_NO_HOST = re.compile(r"((?:^|:)//)(?!([^/?#:]*|\[[0-9A-Fa-f:.%]*\])(:[0-9]*)?([/?#]|$)).*", re.DOTALL)
"""What is no host with a port is a user whose password has a slash or a question mark."""
_OPTIONS = re.compile(r"[\w.-]+=")
_OPTION = re.compile(r"(?:[^,]|,,)+")
_HARMLESS = (
    r"(?:\w+\.)*(?:driver|export|exportname|file|filename|host|image|iqn|lun|namespace|path|pool|port|portal|target|url|"
    r"volume)="
)
_HARMLESS_OPTION = re.compile(_HARMLESS)
_HIDDEN = re.compile(rf"[:,](?!{_HARMLESS})[\w.-]+=.*", re.DOTALL)


def without_secrets(source: str) -> str:
    """The source as it may be shown; a path is unchanged.

    >>> without_secrets("https://me:secret@example.org/disk.img?token=1"), without_secrets("/srv/a?b")
    ('https://example.org/disk.img', '/srv/a?b')
    >>> without_secrets("rbd:pool/image:id=admin:key=c2VjcmV0"), without_secrets("portal=[::1]:3260,user=me,password=x")
    ('rbd:pool/image', 'portal=[::1]:3260')
    """
    if not _OPTIONS.match(source):
        return _without_user_and_query(source)
    options = (option.partition("=") for option in _OPTION.findall(source) if _HARMLESS_OPTION.match(option))
    return ",".join(f"{key}={_without_user_and_query(value)}" for key, _, value in options) or "..."


def _without_user_and_query(source: str) -> str:
    if _PATH.match(source):
        return source
    source = _NO_HOST.sub(r"\1", _USER.sub(r"\1", _JSON.sub("json:...", source)))
    if _URL.search(source):
        source = re.split("[?#]", source, maxsplit=1)[0]
    return _HIDDEN.sub("", source)
