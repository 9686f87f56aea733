"""Names of images, and containers that cannot have theirs."""

import pytest

from kapp.minicluster.node.images import name_problem, problem_of, registry_of


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "busybox:1.36",
        "library/busybox@sha256:" + "a" * 64,
        "localhost/x_y.z--w:T-1",
        "Example.COM:5000/a/b:v1",
        "[::1]:5000/a",
    ],
)
def test_names(image):
    assert name_problem(image) == ""


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("busybox:", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a:b c", "invalid reference format"),
        ("a@sha256:12", "invalid reference format"),
        ("ABC", "invalid reference format: repository name (library/ABC) must be lowercase"),
        ("a/B:1", "invalid reference format: repository name (a/B) must be lowercase"),
        ("f" * 64, "cannot specify 64-byte hexadecimal strings"),
    ],
)
def test_what_is_no_name(image, problem):
    assert problem in name_problem(image)


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("busybox", "docker.io"),
        ("team/app", "docker.io"),
        ("ghcr.io/team/app", "ghcr.io"),
        ("localhost:5000/a", "localhost:5000"),
    ],
)
def test_registries(image, host):
    assert registry_of(image) == host


def test_a_command_of_this_machine_needs_no_image():
    assert problem_of({"image": "anything:1", "command": ["true"]}) is None
    assert problem_of({"image": "x.invalid/a", "command": ["true"]}).reason == "ErrImagePull"
