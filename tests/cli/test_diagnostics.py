"""A warning without its fields says nothing."""

import logging

from kapp.cli.diagnostics import FieldFormatter


def test_fields_follow_the_constant_text() -> None:
    record = logging.makeLogRecord({"levelname": "WARNING", "msg": "watch failing"})
    record.object, record.error = "pods", "connection refused"
    assert FieldFormatter().format(record) == (
        "warning: watch failing object=pods error=connection refused"
    )
