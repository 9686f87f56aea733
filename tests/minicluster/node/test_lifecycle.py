"""The life of a pod as its status tells it."""

import asyncio

import pytest

from kapp.machinery.objects import find_condition
from kapp.minicluster.node.files import PodFiles
from kapp.minicluster.resources import NODES

from .conftest import Cluster, container, shell, until


@pytest.fixture(params=["auto", "processes"])
async def mode(request: pytest.FixtureRequest, cluster: Cluster) -> str:
    await cluster.start_node(mode=request.param)
    return cluster.node.mode


async def test_a_pod_runs_and_is_ready_and_goes(cluster: Cluster, mode: str) -> None:
    pod = await cluster.run(shell("echo hello; exec sleep 1000"))
    await cluster.ready()
    status = (await cluster.pod())["status"]
    assert status["phase"] == "Running"
    assert status["podIP"]
    assert status["qosClass"] == "BestEffort"
    entry = status["containerStatuses"][0]
    assert entry["state"]["running"]["startedAt"]
    assert (entry["ready"], entry["started"], entry["restartCount"]) == (True, True, 0)
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "PodReadyToStartContainers"):
        condition = find_condition(status["conditions"], kind)
        assert condition is not None
        assert condition["status"] == "True"
    await until(lambda: cluster.log(pod) == "hello\n")
    await cluster.delete()
    await cluster.gone()
    for reason in ("Pulled", "Created", "Started", "Killing"):
        assert await until(lambda reason=reason: cluster.events(reason))
    await until(lambda: not PodFiles(cluster.state_dir, pod).root.exists())


async def test_exit_codes_and_reasons(cluster: Cluster, mode: str) -> None:
    await cluster.run(shell("exit 0"), name="well", restartPolicy="Never")
    await cluster.run(shell("echo broken >&2; exit 7"), name="badly", restartPolicy="Never")
    await cluster.run(shell("kill -9 $$$$"), name="killed", restartPolicy="Never")
    await cluster.phase("Succeeded", "well")
    ended = (await cluster.status_of("well"))["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    await cluster.phase("Failed", "badly")
    ended = (await cluster.status_of("badly"))["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")
    await cluster.phase("Failed", "killed")
    ended = (await cluster.status_of("killed"))["state"]["terminated"]
    assert (ended["exitCode"], ended["signal"]) == (137, 9)


async def test_crashes_back_off_and_keep_the_previous_log(cluster: Cluster, mode: str) -> None:
    pod = await cluster.run(shell("echo attempt; exit 3"))

    async def backing_off() -> bool:
        status = await cluster.status_of()
        return status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"

    await until(backing_off)
    status = await cluster.status_of()
    assert "back-off" in status["state"]["waiting"]["message"]
    assert status["lastState"]["terminated"]["exitCode"] == 3

    async def restarted_twice() -> bool:
        return (await cluster.status_of())["restartCount"] >= 2

    await until(restarted_twice)
    count = (await cluster.status_of())["restartCount"]
    assert cluster.log(pod, count - 1) == "attempt\n"
    assert (await cluster.pod())["status"]["phase"] == "Running"
    assert await until(lambda: cluster.events("BackOff"))


async def test_an_unknown_command_says_so(cluster: Cluster, mode: str) -> None:
    await cluster.run(container("no-such-program"), restartPolicy="Never")
    await cluster.phase("Failed")
    ended = (await cluster.status_of())["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended["message"]


async def test_a_container_without_a_command_waits_and_says_why(
    cluster: Cluster, mode: str
) -> None:
    await cluster.run({"name": "main", "image": "nginx", "args": ["-g", "daemon off;"]})

    async def waiting() -> dict[str, str] | None:
        found = (await cluster.status_of())["state"].get("waiting") or {}
        return found if found.get("reason") == "ImagePullBackOff" else None

    found = await until(waiting)
    assert found["message"].startswith('Back-off pulling image "nginx": ErrImagePull: ')
    assert "give the container a `command:`" in found["message"]
    assert (await cluster.pod())["status"]["phase"] == "Pending"


async def test_init_containers_run_in_order_before_the_others(cluster: Cluster, mode: str) -> None:
    pod = await cluster.run(
        shell("echo main"),
        initContainers=[
            shell("echo first", name="one"),
            shell("echo second", name="two"),
        ],
        restartPolicy="Never",
    )
    await cluster.phase("Succeeded")
    one, two, main = [
        (await cluster.status_of(container_name=name))["state"]["terminated"]
        for name in ("one", "two", "main")
    ]
    assert one["finishedAt"] <= two["startedAt"] <= two["finishedAt"] <= main["startedAt"]
    assert cluster.log(pod, container_name="two") == "second\n"


async def test_a_failed_init_container_fails_the_pod(cluster: Cluster, mode: str) -> None:
    await cluster.run(
        shell("echo never"), initContainers=[shell("exit 4", name="one")], restartPolicy="Never"
    )
    pod = await cluster.phase("Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


async def test_a_sidecar_starts_first_and_ends_with_the_pod(cluster: Cluster, mode: str) -> None:
    await cluster.run(
        shell("exit 0"),
        initContainers=[shell("exec sleep 1000", name="side", restartPolicy="Always")],
        restartPolicy="Never",
    )
    await cluster.phase("Succeeded")

    async def ended() -> bool:
        return "terminated" in (await cluster.status_of(container_name="side"))["state"]

    await until(ended)


async def test_sigterm_then_sigkill(cluster: Cluster, mode: str) -> None:
    polite = await cluster.run(
        shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"), name="polite"
    )
    await cluster.run(
        shell("trap '' TERM; echo up; while :; do sleep 0.05; done"),
        name="stubborn", terminationGracePeriodSeconds=1,
    )  # fmt: skip
    state = None
    for name in ("polite", "stubborn"):
        pod = await cluster.pod(name)
        await until(lambda pod=pod: cluster.log(pod) == "up\n")
    state = cluster.node.state_of(await cluster.pod("polite"))
    assert state is not None
    log = state.containers["main"].log
    assert log is not None
    heard: list[bytes] = []
    log.subscribe(lambda _stream, data: heard.append(data))
    await cluster.delete("polite")
    await cluster.delete("stubborn")
    await cluster.gone("polite")
    assert b"".join(heard) == b"bye\n"
    await cluster.gone("stubborn")
    assert polite


async def test_what_a_container_left_running_ends_with_it(cluster: Cluster, mode: str) -> None:
    marker = f"300{id(cluster) % 100000}"
    await cluster.run(
        shell(f"(setsid sleep {marker} &) ; sleep 0.1; exit 0"), restartPolicy="Never"
    )
    await cluster.phase("Succeeded")
    await until(lambda: not _running(f"sleep\0{marker}"))


def _running(text: str) -> bool:
    import pathlib

    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_text():
                return True
        except OSError:
            continue
    return False


async def test_active_deadline(cluster: Cluster, mode: str) -> None:
    await cluster.run(shell("exec sleep 1000"), activeDeadlineSeconds=1, restartPolicy="Never")
    pod = await cluster.phase("Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"


async def test_environment(cluster: Cluster, mode: str) -> None:
    await cluster.config_map("config", {"COLOUR": "blue", "SIZE": "9"})
    text = await cluster.output(
        shell(
            "echo $GREETING $COLOUR $NAME $CPU $PREFIX_SIZE; echo $0 $1",
            args=["$(NAME)", "$(UNKNOWN) $$(NAME)"],
            env=[
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "GREETING", "value": "hello-$(NAME)"},
                {
                    "name": "COLOUR",
                    "valueFrom": {"configMapKeyRef": {"name": "config", "key": "COLOUR"}},
                },
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            ],
            envFrom=[{"prefix": "PREFIX_", "configMapRef": {"name": "config"}}],
            resources={"limits": {"cpu": "1500m"}},
        )
    )
    assert text == "hello-pod blue pod 2 9\npod $(UNKNOWN) $(NAME)\n"


async def test_a_missing_config_map_is_waited_for(cluster: Cluster, mode: str) -> None:
    await cluster.run(
        shell("exec sleep 1000", envFrom=[{"configMapRef": {"name": "late"}}]),
    )

    async def waiting() -> dict[str, str] | None:
        return (await cluster.status_of())["state"].get("waiting")

    found = await until(waiting)
    assert found == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "late" not found',
    }
    await cluster.config_map("late", {})
    await cluster.ready()


async def test_pods_of_an_earlier_run_start_again(cluster: Cluster, mode: str) -> None:
    await cluster.run(shell("exec sleep 1000"))
    await cluster.run(shell("exec sleep 1000"), name="once", restartPolicy="Never")
    await cluster.ready()
    await cluster.ready("once")
    await cluster.node.close()
    await cluster.start_node(mode="auto" if mode == "namespaces" else "processes")

    async def again() -> bool:
        status = await cluster.status_of()
        return bool(status["restartCount"] == 1 and status["ready"])

    await until(again)
    assert (await cluster.status_of())["lastState"]["terminated"]["reason"] == "Unknown"
    await cluster.phase("Failed", "once")


async def test_a_forced_deletion_ends_the_processes(cluster: Cluster, mode: str) -> None:
    marker = f"400{id(cluster) % 100000}"
    await cluster.run(shell(f"trap '' TERM; sleep {marker}"))
    await until(lambda: _running(f"sleep\0{marker}"))
    await cluster.delete(grace_period_s=0)
    await cluster.gone()
    await until(lambda: not _running(f"sleep\0{marker}"))


async def test_the_node_registers_itself(cluster: Cluster, mode: str) -> None:
    node = await cluster.client.get(NODES, cluster.node.name)
    ready = find_condition(node["status"]["conditions"], "Ready")
    assert ready is not None
    assert ready["status"] == "True"
    assert mode in ready["message"]
    assert int(node["status"]["capacity"]["cpu"]) >= 1


async def test_closing_is_quick(cluster: Cluster, mode: str) -> None:
    for number in range(3):
        await cluster.run(shell("trap '' TERM; exec sleep 1000"), name=f"pod-{number}")
    for number in range(3):
        await cluster.ready(f"pod-{number}")
    async with asyncio.timeout(4):
        await cluster.node.close()


async def test_pods_come_back_when_the_shim_dies(cluster: Cluster, mode: str) -> None:
    await cluster.run(shell("exec sleep 1000"))
    await cluster.ready()
    child = cluster.node.runtime._child
    assert child is not None
    child.kill()

    async def again() -> bool:
        status = await cluster.status_of()
        return bool(status["restartCount"] == 1 and status["ready"])

    await until(again)
