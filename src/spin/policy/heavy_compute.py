"""Heavy computation belongs on the institution's compute systems (DOMAIN: fit)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Parameter, Place, Rule
from spin.policy.programs import Process, command_line

PROGRAMS = Parameter(
    "programs",
    (
        *(
            "mpirun",
            "mpiexec",
            "mpiexec.hydra",
            "orterun",
            "prterun",
            "srun",
            "sbatch",
            "salloc",
            "slurmd",
            "slurmctld",
            "slurmdbd",
        ),
        *("pbs_mom", "pbs_server", "condor_master", "torchrun", "deepspeed", "horovodrun", "dask-worker", "dask-cuda-worker"),
        *("gmx_mpi", "lmp", "lmp_mpi", "namd2", "namd3", "vasp_std", "pw.x", "cp2k.popt"),
    ),
    "Programs of parallel jobs and batch systems.",
)
CPUS = Parameter(
    "cpus", 16.0, "CPUs of all replicas of one service together from which on it counts as heavy computation, cores."
)
_WITH_ARGUMENT = {
    "dask": ("worker",),
    "ray": ("start",),
    "accelerate": ("launch",),
    "spark-class": ("org.apache.spark.deploy.worker.Worker",),
    "spark-submit": (),
    "start-worker.sh": (),
    "start-slave.sh": (),
    "gmx": ("mdrun",),
}
_MODULES = ("torch.distributed.run", "torch.distributed.launch", "distributed.cli.dask_worker", "mpi4py")


def _find(case: Case) -> Iterator[Place]:
    most = CPUS.of(case)
    programs = PROGRAMS.of(case)
    for service in case.spec.services:
        where = f"services.{service.name}"
        line = command_line(service, case.facts(service))
        heavy = next((p.program for p in line.processes if p.program in programs or _is_heavy(p)), None)
        cpus = _cpus(service)
        if heavy is not None:
            values = {"service": service.name, "what": f"starts `{heavy}`"}
            yield Place(f"{where}.{line.key}", service.name, values)
        elif cpus > most:
            key = "cpus" if "cpus" in dict(case.services()).get(service.name, {}) else "deploy.resources"
            yield Place(f"{where}.{key}", service.name, {"service": service.name, "what": f"asks for {cpus:g} CPUs"})


def _cpus(service: ServiceSpec) -> float:
    return (service.resources.cpus or service.resources.reserved_cpus or 0.0) * service.replicas


def _is_heavy(process: Process) -> bool:
    needed = _WITH_ARGUMENT.get(process.program)
    if needed is not None:
        return all(word in process.arguments for word in needed)
    if process.program.startswith("python") and "-m" in process.arguments:
        at = process.arguments.index("-m")
        return process.arguments[at + 1 : at + 2] != () and process.arguments[at + 1] in _MODULES
    return False


RULE = Rule(
    code="heavy-compute",
    severity=Severity.WARN,
    title="Heavy computation runs on the compute systems",
    message="{service} {what}: that is heavy computation, and this platform carries services that many people share. The operators look "
    "at such a service before it goes to production.",
    instead="Run the computation as a job on the institution's compute system, and keep here what people talk to: the portal, the "
    "database, the workflow manager that hands jobs in. If it must be here, talk to the operators first.",
    why="""Containers of many projects share the machine. A parallel job takes all that it gets for hours, so that everybody's web
        pages become slow, and it would run faster on a system that is made for it. Gateways and workflow managers that hand jobs to a
        batch system are what this platform is for. In an environment that the site file marks as `reviewed` only an operator can
        bring such a stack up; elsewhere this is a warning.""",
    example="""
        services:
          app-solver:
            image: localhost:5000/lab/solver:1.0
            command: ["mpirun", "-n", "64", "solve"]
    """,
    fixed="""
        services:
          app-gateway:
            image: localhost:5000/lab/gateway:1.0
            command: ["gateway", "--submit-to", "batch.example.org"]
    """,
    review=True,
    find=_find,
    parameters=(PROGRAMS, CPUS),
)
