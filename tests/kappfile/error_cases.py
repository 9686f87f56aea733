"""For every builtin a use of it that is wrong, and what is said.

`test_builtins.py` runs each of them, and fails for a builtin that has none. The last line of the
text is the one at fault; `ROOT` in a message stands for the project's directory.
"""

from __future__ import annotations

ERRORS: dict[str, tuple[str, str]] = {
    "include": ("include('lib2')", "no such file: lib/lib2 (looked for ROOT/lib/lib2)"),
    "load_dynamic": ("load_dynamic(1)", "`path` must be a string, not an int"),
    "read_json": ("read_json('bad.txt')", "lib/bad.txt:1:1: Expecting value"),
    "read_yaml": ("read_yaml('two.yaml')", "lib/two.yaml holds 2 documents"),
    "read_yaml_stream": (
        "read_yaml_stream('bad.yaml')",
        "lib/bad.yaml:2: did not find expected node content",
    ),
    "decode_json": ("decode_json(1)", "`json` must be a string or a blob, not an int"),
    "decode_yaml": ("decode_yaml('a: 1\\n---\\nb: 2')", "yaml holds 2 documents"),
    "decode_yaml_stream": (
        "decode_yaml_stream([])",
        "`yaml` must be a string or a blob, not a list"),
    "encode_json": ("encode_json(range(3))", "a range cannot be an argument here"),
    "encode_yaml": ("encode_yaml(range(3))", "a range cannot be an argument here"),
    "encode_yaml_stream": ("encode_yaml_stream({})", "`objs` must be a list, not a dict"),
    "read_file": (
        "read_file('pods.yml')",
        "no such file: lib/pods.yml (looked for ROOT/lib/pods.yml)"),
    "watch_file": ("watch_file(['a'])", "`file_path` must be a string, not a list"),
    "listdir": ("listdir('nope')", "no such directory: lib/nope (looked for ROOT/lib/nope)"),
    "blob": ("blob(b=1)", "the argument `contents` is missing"),
    "port_forward": (
        "port_forward(70000)",
        "`local_port` must be a port from 1 to 65535, not 70000"),
    "k8s_yaml": ("k8s_yaml(7)", "`yaml` must be a path, a blob, or a list of these, not an int"),
    "k8s_resource": ("k8s_resource('wbe')", "there is no resource `wbe`; known resources: none"),
    "link": ("link('a b')", "`a b` is no URL"),
    "k8s_kind": ("k8s_kind('A', pod_readiness='no')",
                 "`pod_readiness` must be one of 'wait', 'ignore', 'succeeded', not 'no'"),
    "workload_to_resource_function": (
        "workload_to_resource_function('x')", "`func` must be a function, not a string"),
    "filter_yaml": ("filter_yaml('pods.yaml', name='[')",
                    "`name` is no regular expression: unterminated character set at position 0"),
    "helm": ("helm('chart')", "lib/chart is no chart: there is no Chart.yaml in it"),
    "kustomize": ("kustomize('chart')",
                  "lib/chart is no kustomization: there is no kustomization.yaml in it"),
    "k8s_context": ("k8s_context(1)", "1 argument too many"),
    "k8s_namespace": ("k8s_namespace(1)", "1 argument too many"),
    "allow_k8s_contexts": ("allow_k8s_contexts({})",
                           "`contexts` must be a string or a list of strings, not a dict"),
    "trigger_mode": ("trigger_mode('never')",
                     "`trigger_mode` must be one of 'auto', 'manual', not 'never'"),
    "local": ("local('exit 3', echo_off=True)", "`exit 3` failed with exit code 3"),
    "k8s_custom_deploy": (
        "k8s_custom_deploy('a', '', 'x', [])",
        "needs an apply_cmd and a delete_cmd",
    ),
    "k8s_attach": ("k8s_attach('a', 'configmap/a')", "`configmap` is no kind to attach to"),
    "local_resource": ("local_resource('a')", "needs a cmd, a serve_cmd, or both"),
    "probe": ("probe()", "needs exactly one of exec, http_get and tcp_socket"),
    "exec_action": ("exec_action('x')", "`command` must be a list of words, not a string"),
    "http_get_action": ("http_get_action(0)", "`port` must be a port from 1 to 65535, not 0"),
    "tcp_socket_action": ("tcp_socket_action('a')", "`port` must be a port number, not a string"),
    "config.define_string_list": (
        "config.define_string_list('--x')",
        "`--x` is no name of a setting",
    ),
    "config.define_string": ("config.define_string('')", "`` is no name of a setting"),
    "config.define_bool": ("config.define_bool('a=b')", "`a=b` is no name of a setting"),
    "config.define_object": (
        "config.define_object('a', args=1)",
        "`args` must be True or False, not an int",
    ),
    "config.parse": ("config.parse('x')", "1 argument too many"),
    "config.set_enabled_resources": (
        "config.set_enabled_resources(1)",
        "`resources` must be a string or a list of strings, not an int",
    ),
    "config.clear_enabled_resources": (
        "config.clear_enabled_resources('x')",
        "1 argument too many",
    ),
    "os.getcwd": ("os.getcwd('x')", "1 argument too many"),
    "os.getenv": ("os.getenv(1)", "`key` must be a string, not an int"),
    "os.putenv": ("os.putenv('A', 1)", "`value` must be a string, not an int"),
    "os.unsetenv": ("os.unsetenv(['A'])", "`key` must be a string, not a list"),
    "os.path.abspath": ("os.path.abspath(None)", "`path` must be a string, not None"),
    "os.path.basename": ("os.path.basename(1)", "`path` must be a string, not an int"),
    "os.path.dirname": ("os.path.dirname(1)", "`path` must be a string, not an int"),
    "os.path.exists": ("os.path.exists(blob('a'))", "`path` must be a string, not a blob"),
    "os.path.join": ("os.path.join('a', 1)", "`paths` must be a string, not an int"),
    "os.path.realpath": ("os.path.realpath()", "the argument `path` is missing"),
    "os.path.relpath": ("os.path.relpath('a', base='b')", "there is no argument `base`"),
    "shlex.quote": ("shlex.quote(1)", "`s` must be a string or a blob, not an int"),
    "print": ("print('a', seperator='')", "there is no argument `seperator`"),
    "warn": ("warn()", "the argument `msg` is missing"),
    "fail": ("fail('no', 'way')", "no way"),
    "exit": ("exit(1, 2)", "1 argument too many"),
    "update_settings": ("update_settings(max_parallel_updates=0)",
                        "`max_parallel_updates` must be at least 1"),
    "ci_settings": ("ci_settings(timeout='soon')", "`timeout`: 'soon' is no duration"),
    "watch_settings": ("watch_settings(ignores='a')", "the argument `ignore` is missing"),
    "secret_settings": ("secret_settings('yes')",
                        "`disable_scrub` must be True or False, not a string"),
    "version_settings": (
        "version_settings(constraint=1)",
        "`constraint` must be a string, not an int"),
}  # fmt: skip

FILES = {
    "bad.txt": "nothing",
    "bad.yaml": "a: [",
    "two.yaml": "a: 1\n---\nb: 2\n",
    "pods.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n",
    "chart/values.yaml": "",
}
