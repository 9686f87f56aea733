"""The few questions that are asked of a cluster's servers, with the administrator's key."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from .plan import Plan


def read(plan: Plan, path: str, port: int = 0) -> Any:
    """GET a path; the decoded answer, or None while the server does not answer 200.

    `port` is another server's than the API server's.
    """
    try:
        trust = ssl.create_default_context(cafile=plan.certificate("ca.crt"))
        trust.load_cert_chain(plan.certificate("admin.crt"), plan.certificate("admin.key"))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port or plan.api_port, context=trust, timeout=5
        )
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return None
    if answer.status != http.client.OK:
        return None
    is_json = answer.headers.get_content_type() == "application/json"
    return json.loads(body) if is_json else body.decode()
