"""The files that make holystone part of a CI system or a host: which, and where they go.

Their text is in ``holystone/integrations``, a folder for each target. In it ``@COMMAND@`` stands
for how holystone is called, ``@VERSION@`` for its version, ``@INSTALL@`` for the command that puts
it there, and ``@NOT_CLEANED@`` for the lines of ``not-cleaned.sh``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.resources import files
from textwrap import indent
from typing import NamedTuple

from holystone import __version__
from holystone.outside import home as users_home


class File(NamedTuple):
    """One file of a target."""

    source: str
    """Its name in the package, in the folder of the target."""
    path: str
    """Where it goes, below the target's folder."""
    executable: bool = False
    example: bool = False
    """An example to start from: never written if the repository has its own."""


class Target(NamedTuple):
    """A system that holystone can be made part of."""

    name: str
    about: str
    files: tuple[File, ...]
    marks: tuple[str, ...] = ()
    """Files and folders that show that a repository uses it."""
    next: str = ""
    """What is left to do."""
    addition: str = ""
    """What to add to the file that an example would have been."""
    home: str = ""
    """For a host's targets where they belong; empty for those of a repository. ``here`` is the
    present folder."""


TARGETS = {
    target.name: target
    for target in (
        Target(
            "gitlab",
            "GitLab CI/CD",
            (
                File("holystone-clean.yml", "templates/holystone-clean.yml"),
                File("gitlab-ci.yml", ".gitlab-ci.yml", example=True),
            ),
            (".gitlab-ci.yml",),
            "the jobs call `@COMMAND@`; it has to be where their scripts run.\n"
            "\n"
            "  1. Shell executor: install it on the runner's host, for the user gitlab-runner.\n"
            "       @INSTALL@\n"
            "       usermod -aG docker gitlab-runner\n"
            "     Docker executor: install it in the image of the jobs. In the runner's\n"
            "     config.toml, mount into them:\n"
            '       environment = ["HOLYSTONE_STATE=/var/lib/holystone"]\n'
            "       [runners.docker]\n"
            '         volumes = ["/var/run/docker.sock:/var/run/docker.sock",\n'
            '                    "/var/lib/holystone:/var/lib/holystone"]\n'
            "     Where neither can be: clean from the host, by timers: holystone init systemd\n"
            "  2. Try it in a job whose script is: @COMMAND@ status\n"
            "  3. Make two pipeline schedules, with HOLYSTONE_SCHEDULE = weekly and = monthly.",
            "include:\n  - local: templates/holystone-clean.yml\n\n"
            "JOB:\n  extends: .holystone-clean",
        ),
        Target(
            "github",
            "GitHub Actions",
            (
                File("action.yml", ".github/actions/holystone-clean/action.yml"),
                File("clean.sh", ".github/actions/holystone-clean/clean.sh", executable=True),
                File("workflow.yml", ".github/workflows/backend.yml", example=True),
            ),
            (".github/workflows",),
            "install `@COMMAND@` on the runner, on the PATH of the user that runs the jobs, who\n"
            "may use Docker. Jobs in containers need it in their image, and the socket mounted.",
            "- if: always()\n  continue-on-error: true\n  uses: ./.github/actions/holystone-clean",
        ),
        Target(
            "jenkins",
            "Jenkins",
            (File("Jenkinsfile", "Jenkinsfile", example=True),),
            ("Jenkinsfile",),
            "install `@COMMAND@` on the agents, on the PATH of their user, who may use Docker.",
            "post {\n    always {\n        sh '@COMMAND@ clean || "
            'echo "HOLYSTONE DID NOT CLEAN THIS HOST (exit code $?)"\'\n    }\n}',
        ),
        Target(
            "woodpecker",
            "Woodpecker",
            (File("woodpecker.yml", ".woodpecker.yml", example=True),),
            (".woodpecker.yml", ".woodpecker.yaml", ".woodpecker"),
            "",
            "- name: holystone\n  image: registry.example.com/team/ci-docker\n"
            "  volumes: [/var/run/docker.sock:/var/run/docker.sock]\n"
            "  commands: [@COMMAND@ clean]\n  failure: ignore\n"
            "  when:\n    - status: [success, failure]",
        ),
        Target(
            "drone",
            "Drone",
            (File("drone.yml", ".drone.yml", example=True),),
            (".drone.yml",),
            "",
            "- name: holystone\n  image: registry.example.com/team/ci-docker\n"
            "  volumes: [{name: socket, path: /var/run/docker.sock}]\n"
            "  commands: [@COMMAND@ clean]\n  failure: ignore\n"
            "  when: {status: [success, failure]}",
        ),
        Target(
            "buildkite",
            "Buildkite",
            (File("pre-exit", ".buildkite/hooks/pre-exit", executable=True),),
            (".buildkite",),
        ),
        Target(
            "make",
            "make",
            (
                File("holystone.mk", "holystone.mk"),
                File("Makefile", "Makefile", example=True),
            ),
            ("GNUmakefile", "makefile", "Makefile"),
            "make clean, make clean-weekly and make clean-deep, which asks.",
            "HOLYSTONE_PREFIX = docker-   # where there is a target clean already\n"
            "include holystone.mk",
        ),
        Target(
            "docker-plugin",
            "docker holystone ...",
            (File("docker-holystone", "docker-holystone", executable=True),),
            next="Try it: docker holystone plan",
            home="docker",
        ),
        Target(
            "systemd",
            "timers, each day and each week",
            tuple(
                File(name, name)
                for name in (
                    "holystone-clean.service",
                    "holystone-clean.timer",
                    "holystone-clean-weekly.service",
                    "holystone-clean-weekly.timer",
                )
            ),
            next="systemctl daemon-reload && "
            "systemctl enable --now holystone-clean.timer holystone-clean-weekly.timer",
            home="systemd",
        ),
        Target(
            "agent",
            "the agent as a container, with Docker Compose",
            (File("Dockerfile", "Dockerfile"), File("compose.yaml", "compose.yaml")),
            next="put the wheel of holystone beside these files, and run docker compose up "
            "--detach --build",
            home="here",
        ),
        Target(
            "prometheus",
            "alerts, a dashboard and examples for the agent's metrics",
            (
                File("holystone.rules.yml", "holystone.rules.yml"),
                File("grafana.json", "grafana.json"),
                File("prometheus.yml", "prometheus.yml", example=True),
                File("alertmanager.yml", "alertmanager.yml", example=True),
                File("nginx.conf", "nginx.conf", example=True),
            ),
            next="name holystone.rules.yml in rule_files, and import grafana.json into Grafana.",
            addition="scrape_configs:\n  - job_name: holystone\n    static_configs:\n"
            '      - targets: ["127.0.0.1:9469"]',
            home="here",
        ),
    )
}


def text(target: Target, file: File, command: str) -> str:
    """What is in a file; ``command`` is how it calls holystone."""
    source = files("holystone").joinpath("integrations", target.name, file.source)
    return filled(source.read_text(encoding="utf-8"), command)


def filled(template: str, command: str) -> str:
    """The text with the command and the version in it."""
    # Lines of sh that tell by $holystone_code why a clean did not do its work.
    told = files("holystone").joinpath("integrations", "not-cleaned.sh").read_text("utf-8")
    whole = re.sub(
        r"^([^\S\n]*)@NOT_CLEANED@[^\S\n]*$",
        lambda place: indent(told.rstrip("\n"), place[1], lambda _: True),
        template,
        flags=re.MULTILINE,
    ).replace("@INSTALL@", _install(command))
    return whole.replace("@COMMAND@", command).replace("@VERSION@", __version__)


def _install(command: str) -> str:
    """The command that puts the program where ``command`` looks for it."""
    *before, program = command.split()
    if "-m" in before:
        return f"{before[0]} -m pip install ./holystone    # its source, or a wheel"
    if "/" not in program:
        program = f"/usr/local/bin/{program}"
    return f"install -m 755 holystone.pyz {program}"


def home(target: Target, environ: Mapping[str, str]) -> str | None:
    """The folder its files go to unless another is named; empty is the present one.

    None where it is below the user's home folder, and there is none.
    """
    if target.home == "systemd":
        return "/etc/systemd/system"
    if target.home != "docker":
        return ""
    at_home = users_home.home(environ)
    config = environ.get("DOCKER_CONFIG") or (at_home and os.path.join(at_home, ".docker"))
    return os.path.join(config, "cli-plugins") if config else None


def used(target: Target, folder: str) -> str | None:
    """The mark that a repository has of the target, None where it has none."""
    there = (mark for mark in target.marks if os.path.lexists(os.path.join(folder, mark)))
    return next(there, None)
