"""The dictionary that SPDY/3 header compression starts from: a protocol constant.

Source: draft-mbelshe-httpbis-spdy-00 section 2.6.10.1. It is a list of header names and values,
each behind its 4-byte big-endian length, followed by running text. Written as that here, so that
it can be read; `spdy.py` is its only user.
"""

from __future__ import annotations

from struct import pack
from typing import Final

_WORDS: Final = (
    b"options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|a"
    b"ccept-ranges|age|allow|authorization|cache-control|connection|content-base|content-encodin"
    b"g|content-language|content-length|content-location|content-md5|content-range|content-type|"
    b"date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-un"
    b"modified-since|last-modified|location|max-forwards|pragma|proxy-authenticate|proxy-authori"
    b"zation|range|referer|retry-after|server|te|trailer|transfer-encoding|upgrade|user-agent|va"
    b"ry|via|warning|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-c"
    b"ookie|keep-alive|origin"
)

_TEXT: Final = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Una"
    b"uthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service"
    b" UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, "
    b"Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,applicat"
    b"ion/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf"
    b"-8charset=iso-8859-1,utf-,*,enq=0."
)

DICTIONARY: Final = b"".join(pack(">I", len(word)) + word for word in _WORDS.split(b"|")) + _TEXT
