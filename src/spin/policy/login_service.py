"""Login services do not fit on a container platform (DOMAIN: fit)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Parameter, Place, Rule
from spin.policy.programs import command_line
from spin.policy.wellknown import named_like

PROGRAMS = Parameter(
    "programs",
    (
        *(
            "sshd",
            "ssh",
            "dropbear",
            "telnetd",
            "in.telnetd",
            "utelnetd",
            "rlogind",
            "in.rlogind",
            "xrdp",
            "x11vnc",
            "Xvnc",
            "vncserver",
        ),
        *("ttyd", "gotty", "wetty", "shellinaboxd", "guacd", "teleport", "tailscaled"),
    ),
    "Programs to which people log in.",
)
IMAGES = Parameter(
    "images",
    (
        *("sshd", "openssh-server", "openssh", "dropbear", "telnetd", "xrdp", "bastion", "jumphost", "jump-host", "jumpserver"),
        *("ttyd", "gotty", "wetty", "shellinabox", "guacd", "guacamole", "teleport"),
    ),
    "Words in the names of images to which people log in.",
)


def found_in(case: Case, service: ServiceSpec) -> tuple[str, str] | None:
    """The key that says so and the login service that the service starts. `case` has the settings of this rule."""
    line = command_line(service, case.facts(service))
    programs = PROGRAMS.of(case)
    for process in line.processes:
        # `ssh` is the server where an init system starts it (`service ssh start`), and the client elsewhere.
        if process.program in programs and (process.program != "ssh" or process.managed):
            return line.key, process.program
    named = named_like(service.image, IMAGES.of(case))
    return ("image", named) if named is not None else None


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        found = found_in(case, service)
        if found is not None:
            yield Place(f"services.{service.name}.{found[0]}", service.name, {"service": service.name, "program": found[1]})


RULE = Rule(
    code="login-service",
    severity=Severity.REFUSE,
    title="Nobody logs in to a container",
    message="{service} is a login service ({program}). Those do not run here: whoever logs in works past everything that the platform "
    "sees to, and a container has neither the accounts nor the watch of a login node.",
    instead="To work on the site's machines use its login nodes; what a container does, `spin logs` shows. If you need something else, "
    "such as an upload by SFTP, talk to the operators first.",
    why="""Web services, databases and workflow managers fit here; login services (ssh, telnet, remote desktops, terminals in the browser,
        jump hosts) do not. They need the site's accounts, its second factor, its logs and somebody who watches them, and an
        open shell inside the institution's network is what an attacker looks for. JupyterHub and RStudio are web services and
        are welcome. Operators may name other programs and images, or make this a warning.""",
    example="""
        services:
          util-ssh:
            image: localhost:5000/lab/tools:1.0
            command: ["/usr/sbin/sshd", "-D"]
    """,
    fixed="""
        services:
          util-tools:
            image: localhost:5000/lab/tools:1.0
            command: ["sleep", "infinity"]
    """,
    optional=True,
    find=_find,
    parameters=(PROGRAMS, IMAGES),
)
