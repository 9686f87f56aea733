"""What a Secret holds is not in the log, whoever prints it."""

from kapp.logs.redaction import Redaction


def test_values_are_hidden_while_somebody_has_them():
    redaction = Redaction()
    redaction.hide("one", ["password", "password-and-more"])
    redaction.hide("two", ["password"])
    assert redaction(b"a password-and-more, a password\n") == b"a (redacted), a (redacted)\n"
    redaction.hide("one", [])
    assert redaction(b"a password\n") == b"a (redacted)\n"
    redaction.hide("two", ())
    assert redaction(b"a password\n") == b"a password\n"


def test_a_value_of_several_lines_is_hidden_line_by_line():
    redaction = Redaction()
    redaction.hide("one", ["-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----\n"])
    assert redaction(b"x abcdefgh y\n") == b"x (redacted) y\n"


def test_what_is_too_short_to_be_a_secret_stays():
    redaction = Redaction()
    redaction.hide("one", ["on", "1", ""])
    assert redaction(b"on 1\n") == b"on 1\n"
