"""Arguments of a Kappfile, and the resources that they choose."""

from __future__ import annotations

from .conftest import Project, eventually

GROUP = """
local_resource('db', 'echo db runs')
local_resource('web', 'echo web runs', resource_deps=['db'])
local_resource('other', 'echo other runs')
"""


def disabled(project: Project) -> set[str]:
    found = project.get(
        "cmds", "-o", "jsonpath={range .items[?(@.status.disableStatus.disabled==true)]}"
        "{.metadata.name} {end}",
    )  # fmt: skip
    return set(found.split())


def test_named_resources_and_what_they_need_run_alone(project: Project) -> None:
    project.write("Kappfile", GROUP)
    up = project.up("web")
    eventually(lambda: "web runs" in up.output)
    assert "db runs" in up.output
    eventually(lambda: disabled(project) == {"other"})
    assert project.run("args").stdout == "web\n"

    project.run("enable", "other")
    eventually(lambda: "other runs" in up.output)
    project.write("Kappfile", GROUP + "# saved\n")
    eventually(lambda: project.get("kappfiles", "-o", "jsonpath={..finishedAt}"))
    assert disabled(project) == set()

    project.run("args", "db")
    eventually(lambda: disabled(project) == {"web", "other"})
    project.run("args", "--clear")
    eventually(lambda: disabled(project) == set())
    assert project.run("args").stdout == "\n"
    project.run("args", "nosuch")
    eventually(lambda: "there is no resource `nosuch` to enable; known resources: `db`, `web`"
               in up.output)  # fmt: skip


def test_a_kappfile_reads_its_arguments(project: Project) -> None:
    project.write(
        "Kappfile",
        """
        config.define_string_list('to-run', args=True)
        config.define_string('greeting')
        cfg = config.parse()
        config.set_enabled_resources(cfg.get('to-run', []))
        for name in ('a', 'b'):
            local_resource(name, 'echo %s from %s' % (cfg.get('greeting', 'nothing'), name))
        """,
    )
    up = project.up("--", "--greeting", "hello", "a")
    eventually(lambda: "hello from a" in up.output)
    eventually(lambda: disabled(project) == {"b"})
    project.write("kapp_config.json", '{"to-run": ["b"], "greeting": "hi"}')
    assert disabled(project) == {"b"}
    project.run("args", "--", "--greeting=bye")
    eventually(lambda: "bye from b" in up.output)
    project.run("args", "--clear")
    eventually(lambda: "hi from b" in up.output)
    project.write("kapp_config.json", '{"greeting": "ciao"}')
    eventually(lambda: "ciao from a" in up.output)
