"""Kubeconfigs: merging, files, errors, and which clusters count as local."""

import base64

import pytest

from kapp.cluster.kubeconfig import NoContext, load, paths, read
from kapp.cluster.product import detect, is_local
from kapp.errors import ConfigError

BASIC = """
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: one
  cluster: {server: "https://127.0.0.1:6443", certificate-authority: ca.pem, tls-server-name: kube}
contexts:
- name: dev
  context: {cluster: one, user: me, namespace: team}
- name: bare
  context: {cluster: one}
users:
- name: me
  user: {client-certificate: sub/cert.pem, client-key-data: a2V5, token: t0ken}
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "ca.pem").write_bytes(b"CA")
    (tmp_path / "sub" / "cert.pem").write_bytes(b"CERT")
    (tmp_path / "config").write_text(BASIC)
    return tmp_path


def test_everything_of_a_context_with_paths_relative_to_the_file(home):
    found = load(home / "config")
    assert (found.context, found.cluster, found.namespace) == ("dev", "one", "team")
    assert found.server == "https://127.0.0.1:6443"
    assert (found.ca, found.cert, found.key) == (b"CA", b"CERT", b"key")
    assert (found.token, found.tls_server_name) == ("t0ken", "kube")
    assert "t0ken" not in repr(found)
    assert "CERT" not in repr(found)


def test_context_and_namespace_can_be_chosen(home):
    found = load(home / "config", context="bare", namespace="other")
    assert (found.context, found.namespace, found.token) == ("bare", "other", "")
    assert load(home / "config", context="bare").namespace == "default"


def test_the_first_file_wins_and_missing_ones_are_passed_over(home):
    (home / "second").write_text(
        """
current-context: later
clusters:
- name: one
  cluster: {server: "https://loses"}
- name: two
  cluster: {server: "https://two"}
contexts:
- name: later
  context: {cluster: two, user: me}
"""
    )
    env = {"KUBECONFIG": f"{home}/missing:{home}/config::{home}/second:{home}/config"}
    merged = read(env=env)
    assert merged.contexts == ["dev", "bare", "later"]
    assert merged.context().server == "https://127.0.0.1:6443"
    assert merged.context("later").server == "https://two"
    assert merged.context("later").token == "t0ken"


def test_where_kubeconfigs_are(tmp_path):
    assert paths(env={"HOME": str(tmp_path)}) == [tmp_path / ".kube" / "config"]
    with pytest.raises(NoContext):
        load(env={"HOME": str(tmp_path)})


def test_data_wins_over_the_file(home):
    data = base64.b64encode(b"DATA").decode()
    text = BASIC.replace("certificate-authority: ca.pem", f"certificate-authority-data: {data}")
    (home / "config").write_text(text)
    assert load(home / "config").ca == b"DATA"


def test_other_ways_to_authenticate(home):
    users = """
- name: me
  user:
    tokenFile: token
    username: u
    password: p
    as: someone
    exec: {command: ./login}
    auth-provider: {name: oidc}
"""
    (home / "config").write_text(BASIC[: BASIC.index("users:")] + "users:" + users)
    found = load(home / "config")
    assert found.token_file == str(home / "token")
    assert (found.username, found.password, found.impersonate) == ("u", "p", "someone")
    assert found.exec == {"command": "./login"}
    assert found.auth_provider == {"name": "oidc"}
    assert found.directory == str(home)


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (("current-context: dev", ""), "no Kubernetes context is selected", "use-context"),
        (("current-context: dev", "current-context: x"), "there is no context 'x'", "dev, bare"),
        (("user: me,", "user: them,"), "refers to user 'them', which does not exist", "me"),
        (("cluster: one, user", "cluster: x, user"), "refers to cluster 'x'", "one"),
        (('server: "https://127.0.0.1:6443",', ""), "cluster one has no server", "set-cluster"),
        (("ca.pem", "gone.pem"), "certificate-authority of one cannot be read", "gone"),
        (("a2V5", "'*'"), "client-key-data of me is not base64", ""),
        (("clusters:", "clusters: 5\nx:"), "clusters of the kubeconfig is not a list", ""),
        (("token: t0ken", "as-groups: [a]"), "impersonates groups", ""),
        ((BASIC, "- a\n- b"), "not a YAML mapping", ""),
        ((BASIC, "{"), "not valid YAML", ""),
    ],
)
def test_what_is_wrong_names_the_file(home, change, message, hint):
    (home / "config").write_text(BASIC.replace(*change))
    with pytest.raises(ConfigError) as e:
        load(home / "config")
    assert message in e.value.message
    assert hint in e.value.hint
    assert str(home / "config") in e.value.location


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("context", "cluster", "product"),
    [
        ("kind-demo", "kind-demo", "kind"),
        ("kind", "kind", "kind"),
        ("kindness", "kindness", ""),
        ("mine", "k3d-x", "k3d"),
        ("minikube", "minikube", "minikube"),
        ("docker-desktop", "docker-desktop", "docker-desktop"),
        ("rancher-desktop", "rancher-desktop", "rancher-desktop"),
        ("orbstack", "orbstack", "orbstack"),
        ("microk8s", "microk8s-cluster", "microk8s"),
        ("colima-work", "colima-work", "colima"),
        ("kapp-embedded", "kapp-embedded", "kapp-embedded"),
        ("prod", "gke_prod", ""),
    ],
)
def test_products_by_name(context, cluster, product):
    assert detect(context, cluster) == product


def test_minikube_profiles_are_known_by_their_extension(home):
    extension = "extensions: [{name: p, extension: {provider: minikube.sigs.k8s.io}}], server:"
    (home / "config").write_text(BASIC.replace("server:", extension))
    found = load(home / "config")
    assert (found.product, found.is_local) == ("minikube", True)


@pytest.mark.parametrize(
    ("product", "server", "local"),
    [
        ("kind", "https://127.0.0.1:1", True),
        ("kind", "https://[::1]:1", True),
        ("minikube", "https://192.168.49.2:8443", True),
        ("k3d", "https://0.0.0.0:6443", True),
        ("docker-desktop", "https://kubernetes.docker.internal:6443", True),
        ("orbstack", "https://k8s.orb.local:26443", True),
        ("kind", "https://8.8.8.8:6443", False),
        ("kind", "https://api.example.com", False),
        ("", "https://127.0.0.1:1", False),
    ],
)
def test_a_local_name_needs_a_local_address(product, server, local):
    assert is_local(product, server) is local


def test_an_empty_kubeconfig_selects_nothing(home):
    (home / "config").write_text("# nothing yet\n")
    with pytest.raises(NoContext):
        load(home / "config")
