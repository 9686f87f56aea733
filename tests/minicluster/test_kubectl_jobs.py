"""Jobs and CronJobs, as kubectl sees them; the same on the embedded and on a real cluster."""

import json

import pytest


def job(name, command, policy="Never", **spec):
    container = {"name": "c", "image": "busybox:1.36", "command": ["sh", "-c", command]}
    pod = {"restartPolicy": policy, "containers": [container], "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, **spec},
    }


def cron_job(name, schedule, command="true", **spec):
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": schedule,
            "jobTemplate": {"spec": job("", command)["spec"]},
            **spec,
        },
    }


def rows(text):
    return [line.split() for line in text.splitlines()]


def read(kubectl, *arguments):
    return json.loads(kubectl("get", *arguments, "-o", "json"))


def told(found):
    """Conditions in the order in which they were written, without times."""
    return [(c["type"], c["status"], c["reason"]) for c in found["status"]["conditions"]]


@pytest.fixture(scope="module")
def jobs(kubectl):
    """Jobs of every fate, started together."""
    made = [
        job("done", "echo done", completions=2, parallelism=2),
        job("failed", "exit 3", backoffLimit=0),
        job("late", "sleep 1000", "OnFailure", activeDeadlineSeconds=2),
        job("held", "true", suspend=True),
        job("brief", "true", ttlSecondsAfterFinished=0),
        job("any", "true", parallelism=2),
        job(
            "indexed",
            'test "$JOB_COMPLETION_INDEX" = "${HOSTNAME##*-}" && sleep 0.1',
            completions=3,
            parallelism=2,
            completionMode="Indexed",
        ),
        job(
            "again",
            "test -e /work/been || { touch /work/been; exit 1; }",
            "OnFailure",
        ),
    ]
    pods = made[-1]["spec"]["template"]["spec"]
    pods["volumes"] = [{"name": "work", "emptyDir": {}}]
    pods["containers"][0]["volumeMounts"] = [{"name": "work", "mountPath": "/work"}]
    kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, made)))
    yield
    kubectl("delete", "jobs", "--all", "--wait=false")


def test_a_job_that_succeeds(kubectl, jobs):
    kubectl("wait", "--for=condition=Complete", "job/done", "--timeout=60s", timeout=60)
    found = read(kubectl, "job/done")
    assert told(found) == [
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]
    status = found["status"]
    assert (status["succeeded"], status["ready"], status["terminating"]) == (2, 0, 0)
    assert status["uncountedTerminatedPods"] == {}
    assert status["startTime"] <= status["completionTime"]
    assert not {"active", "failed"} & status.keys()
    spec = found["spec"]
    uid = found["metadata"]["uid"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert (spec["backoffLimit"], spec["completionMode"]) == (6, "NonIndexed")
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "done",
        "controller-uid": uid,
        "job-name": "done",
    }
    header, row = rows(kubectl("get", "job", "done"))
    assert header == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row[:3] == ["done", "Complete", "2/2"]
    pods = read(kubectl, "pods", "-l", "job-name=done")["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded", "Succeeded"]
    assert all("finalizers" not in pod["metadata"] for pod in pods)
    assert kubectl("logs", "job/done") == "done\n"
    assert "Completed" in kubectl("events", "--for", "job/done")
    assert "Pods Statuses:" in kubectl("describe", "job", "done")


def test_jobs_that_fail(kubectl, jobs):
    kubectl("wait", "--for=condition=Failed", "job/failed", "job/late", "--timeout=60s", timeout=60)
    found = read(kubectl, "job/failed")
    assert told(found) == [
        ("FailureTarget", "True", "BackoffLimitExceeded"),
        ("Failed", "True", "BackoffLimitExceeded"),
    ]
    assert found["status"]["failed"] == 1
    assert "completionTime" not in found["status"]
    message = found["status"]["conditions"][1]["message"]
    assert message == "Job has reached the specified backoff limit"
    assert rows(kubectl("get", "job", "failed", "--no-headers"))[0][1:3] == ["Failed", "0/1"]
    found = read(kubectl, "job/late")
    assert told(found) == [
        ("FailureTarget", "True", "DeadlineExceeded"),
        ("Failed", "True", "DeadlineExceeded"),
    ]
    assert found["status"]["failed"] == 1
    kubectl("wait", "--for=delete", "pod", "-l", "job-name=late", "--timeout=60s", timeout=60)


def test_restarts_within_a_pod(kubectl, jobs):
    kubectl("wait", "--for=condition=Complete", "job/again", "--timeout=60s", timeout=60)
    (pod,) = read(kubectl, "pods", "-l", "job-name=again")["items"]
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert "failed" not in read(kubectl, "job/again")["status"]


def test_a_job_without_completions(kubectl, jobs):
    kubectl("wait", "--for=condition=Complete", "job/any", "--timeout=60s", timeout=60)
    found = read(kubectl, "job/any")
    assert "completions" not in found["spec"]
    assert rows(kubectl("get", "job", "any", "--no-headers"))[0][2:5] == ["2/1", "of", "2"]


def test_indexes(kubectl, jobs):
    kubectl("wait", "--for=condition=Complete", "job/indexed", "--timeout=60s", timeout=60)
    assert read(kubectl, "job/indexed")["status"]["completedIndexes"] == "0-2"
    pods = read(kubectl, "pods", "-l", "job-name=indexed")["items"]
    label = "batch.kubernetes.io/job-completion-index"
    assert {pod["metadata"]["labels"][label] for pod in pods} == {"0", "1", "2"}
    assert {pod["spec"]["hostname"] for pod in pods} == {"indexed-0", "indexed-1", "indexed-2"}


def test_time_to_live(kubectl, jobs):
    kubectl("wait", "--for=delete", "job/brief", "--timeout=60s", timeout=60)
    kubectl("wait", "--for=delete", "pod", "-l", "job-name=brief", "--timeout=60s", timeout=60)


def test_suspend_and_resume(kubectl, jobs):
    kubectl("wait", "--for=condition=Suspended", "job/held", "--timeout=30s", timeout=60)
    found = read(kubectl, "job/held")
    assert told(found) == [("Suspended", "True", "JobSuspended")]
    assert "startTime" not in found["status"]
    assert rows(kubectl("get", "job", "held", "--no-headers"))[0][1] == "Suspended"
    assert kubectl("get", "pods", "-l", "job-name=held") == ""
    kubectl("patch", "job", "held", "-p", '{"spec":{"suspend":false}}')
    kubectl("wait", "--for=condition=Complete", "job/held", "--timeout=60s", timeout=60)
    assert told(read(kubectl, "job/held")) == [
        ("Suspended", "False", "JobResumed"),
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]


def test_what_is_refused(kubectl, jobs):
    changed = job("done", "echo other", completions=2, parallelism=2)
    text = kubectl.error("apply", "-f", "-", stdin=json.dumps(changed))
    assert 'The Job "done" is invalid: spec.template: Invalid value:' in text
    assert "field is immutable" in text
    endless = job("endless", "true", "Always")
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(endless))
    assert (
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
        in text
    )


def test_deleting_a_job_deletes_its_pods(kubectl):
    for name, how in (("gone", "background"), ("left", "orphan")):
        kubectl("create", "-f", "-", stdin=json.dumps(job(name, "sleep 1000")))
        kubectl("wait", "--for=create", "pod", "-l", f"job-name={name}", "--timeout=30s")
        kubectl("delete", "job", name, f"--cascade={how}")
    kubectl("wait", "--for=delete", "pod", "-l", "job-name=gone", "--timeout=60s", timeout=60)
    (pod,) = read(kubectl, "pods", "-l", "job-name=left")["items"]
    assert "ownerReferences" not in pod["metadata"]
    kubectl("delete", "pod", "-l", "job-name=left", "--timeout=60s", timeout=60)


def test_cron_jobs(kubectl):
    made = cron_job("often", "@every 1s", concurrencyPolicy="Forbid", timeZone="Etc/UTC")
    kubectl("apply", "-f", "-", stdin=json.dumps(made))
    found = read(kubectl, "cronjob/often")
    assert found["spec"]["successfulJobsHistoryLimit"] == 3
    assert found["spec"]["failedJobsHistoryLimit"] == 1
    assert found["spec"]["suspend"] is False
    wait = ("wait", "--for=jsonpath={.status.lastSuccessfulTime}", "cronjob/often")
    kubectl(*wait, "--timeout=60s", timeout=60)
    kubectl("patch", "cronjob", "often", "-p", '{"spec":{"suspend":true}}')
    jobs = [
        found
        for found in read(kubectl, "jobs")["items"]
        if (found["metadata"].get("ownerReferences") or [{}])[0].get("name") == "often"
    ]
    assert jobs
    stamp = jobs[0]["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert stamp.endswith("Z")
    assert jobs[0]["metadata"]["name"].startswith("often-")
    assert rows(kubectl("get", "cronjob", "often"))[0] == [
        "NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST", "SCHEDULE", "AGE",
    ]  # fmt: skip
    assert rows(kubectl("get", "cj", "often", "--no-headers"))[0][:5] == [
        "often", "@every", "1s", "Etc/UTC", "True",
    ]  # fmt: skip
    assert "SuccessfulCreate" in kubectl("events", "--for", "cronjob/often")
    assert "Concurrency Policy:" in kubectl("describe", "cronjob", "often")
    kubectl("delete", "cronjob", "often")
    kubectl("wait", "--for=delete", f"job/{jobs[0]['metadata']['name']}", "--timeout=30s")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schedule": "* * * *"}, "expected exactly 5 fields, found 4: [* * * *]"),
        ({"schedule": "61 * * * *"}, "end of range (61) above maximum (59): 61"),
        ({"schedule": "5-1 * * * *"}, "beginning of range (5) beyond end of range (1): 5-1"),
        ({"schedule": "TZ=UTC * * * * *"}, "cannot use TZ or CRON_TZ in schedule"),
        ({"timeZone": "Mars/Olympus"}, "unknown time zone Mars/Olympus"),
        ({"concurrencyPolicy": "Maybe"}, 'supported values: "Allow", "Forbid", "Replace"'),
    ],
)
def test_wrong_cron_jobs(kubectl, change, words):
    wrong = cron_job("wrong", "* * * * *")
    wrong["spec"] |= change
    assert words in kubectl.error("create", "-f", "-", stdin=json.dumps(wrong))
