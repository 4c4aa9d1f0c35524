"""The rules for the site's shared filesystems: who may mount what, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from spin.model.finding import Description, Finding, Severity
from spin.model.paths import AclEntry, AclTag, Component, PathFacts, PathKind
from spin.model.principal import Identity
from spin.model.submission import Submission
from spin.policy import GROUNDED, Ground, Runner, audit
from spin.rules import read_site
from spin.site import Filesystem, PortClass, Site
from support.compose import loaded, lowered, service_text

CFS = Filesystem("cfs", "/global/cfs", homes=("/global/cfs/home",))
SITE = replace(Site(), filesystems=(CFS,))
ANN = Runner("your own account", Identity(46311, 75137, (80001,)))
GATEWAY = Runner("account gateway of the project", Identity(70001, 75138))
USER = 'user: "46311:75137"\n'
DATA = "/global/cfs/physics/data"


def ground(*modes: tuple[str, int], real: str = DATA, **more: object) -> Ground:
    """Where `DATA` is a directory of root's, and each directory of `modes` has that mode."""
    known = dict(modes)
    facts = PathFacts(DATA, real=real, way=way(real, known))
    paths = {DATA: facts, "/global/cfs": PathFacts("/global/cfs", real="/global/cfs", way=way("/global/cfs", known))}
    return replace(Ground(environment="development", runners=(ANN, GATEWAY), paths=paths), **more)  # type: ignore[arg-type]  # tests name fields


def way(path: str, modes: Mapping[str, int]) -> tuple[Component, ...]:
    parts = [part for part in path.split("/") if part]
    places = ["/", *("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))]
    return tuple(Component(p, PathKind.DIRECTORY, modes.get(p, 0o755), 0, 0) for p in places)


def found(keys: str, on: Ground | None = None, site: Site = SITE) -> list[Finding]:
    submission = loaded(service_text(keys) + "\nvolumes: {data: }\n")
    findings = audit(submission, lowered(submission), site, ground=ground() if on is None else on)
    return [f for f in findings if f.rule.startswith("filesystem-") or f.severity is Severity.REFUSE]


def codes(keys: str, on: Ground | None = None, site: Site = SITE) -> list[str]:
    return [f.rule for f in found(keys, on, site)]


# Which paths.


@pytest.mark.parametrize(
    "entry",
    [
        f"{DATA}:/data:ro",
        f"{DATA}/:/data:ro",
        "/global//cfs/./physics/data:/data:ro",
        f"{DATA}:/data:ro,rprivate",
        f"{{type: bind, source: {DATA}, target: /data, read_only: true}}",
        f"{{type: bind, source: {DATA}, target: /data, read_only: true, bind: {{create_host_path: true, propagation: rprivate}}}}",
    ],
)
def test_a_directory_of_a_filesystem_can_be_mounted_by_its_account(entry: str) -> None:
    assert codes(f"{USER}volumes: [{entry if entry[0] == '{' else repr(entry)}]") == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("/global/cfs/../../etc:/data:ro", "without `..`"),
        ("/global/cfs/physics/../../../etc:/data:ro", "without `..`"),
        ("~/data:/data:ro", "without `..` and `~`"),
        ("./data:/data:ro", "without `..`"),
        ("/global/cfsx/data:/data:ro", "/global/cfs"),
        ("/global:/data:ro", "/global/cfs"),
        ("/:/data:ro", "/global/cfs"),
        ("/etc:/data:ro", "/global/cfs"),
        ("/var/run/docker.sock:/var/run/docker.sock", "owns the host"),
    ],
)
def test_every_other_path_of_the_host_is_refused_as_ever(entry: str, words: str) -> None:
    (finding,) = found(f"{USER}volumes: ['{entry}']")
    assert (finding.rule, finding.key) == ("host-path", "services.app.volumes[0]")
    assert words in finding.instead


@pytest.mark.parametrize(
    "entry",
    [
        f"{{type: bind, source: {DATA}, target: /data, bind: {{propagation: shared}}}}",
        f"'{DATA}:/data:ro,rshared'",
        f"'{DATA}:/data:Z'",
        f"{{type: bind, source: {DATA}, target: /data, bind: {{selinux: z}}}}",
        f"{{type: npipe, source: {DATA}, target: /data}}",
        f"{{type: bind, source: {DATA}, target: /data, bind: yes}}",
    ],
)
def test_nothing_else_is_wanted_of_the_host_with_it(entry: str) -> None:
    assert "host-path" in codes(f"{USER}volumes: [{entry}]")


def test_without_a_filesystem_in_the_site_file_no_path_is_mounted() -> None:
    assert codes(f"{USER}volumes: ['{DATA}:/data:ro']", site=Site()) == ["host-path"]


def test_a_revision_without_its_document_is_judged_by_what_it_came_to() -> None:
    spec = lowered(loaded(service_text(f"volumes: ['{DATA}:/data:ro', '/etc:/x']")))
    findings = audit(Submission({}), spec, SITE, ground=ground())
    assert [(f.rule, f.key) for f in findings if f.severity is Severity.REFUSE] == [
        ("host-path", "services.app.volumes"),
        ("filesystem-user", "services.app.volumes"),
    ]


# Who.


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("", "it has no `user`"),
        ("user: nginx", "is not UID:GID"),
        ('user: "46311"', "is not UID:GID"),
        ('user: "0:0"', "is not UID:GID in numbers above 0"),
        ('user: "46311:0"', "is not UID:GID in numbers above 0"),
        ('user: "0:75137"', "is not UID:GID in numbers above 0"),
        ('user: "root:75137"', "is not UID:GID"),
        ('user: "46312:75137"', "uid 46312 is neither your account nor one of the project's"),
        ('user: "46311:75138"', "gid 75138 is no group of your own account"),
        ('user: "70001:75137"', "gid 75137 is no group of account gateway of the project"),
    ],
)
def test_it_runs_as_its_own_account_or_as_one_of_the_project(user: str, words: str) -> None:
    (finding,) = found(f"{user}\nvolumes: ['{DATA}:/data:ro']")
    assert finding.rule == "filesystem-user"
    assert words in finding.message
    assert finding.instead == (
        'Write `user: "46311:75137"` (your own account) or `user: "70001:75138"` (account gateway of the project).'
    )


@pytest.mark.parametrize("user", ["46311:75137", "46311:80001", "70001:75138", "046311:75137"])
def test_any_group_of_the_account_will_do(user: str) -> None:
    assert codes(f"user: '{user}'\nvolumes: ['{DATA}:/data:ro']") == []


def test_who_has_no_account_is_told_who_gives_one() -> None:
    (finding,) = found(f"{USER}volumes: ['{DATA}:/data:ro']", ground(runners=()))
    assert "spin project account set" in finding.instead


def test_where_accounts_are_not_known_only_root_is_refused() -> None:
    unknown = ground(runners=None)
    assert codes(f"user: '1:1'\nvolumes: ['{DATA}:/data:ro']", unknown) == []
    assert codes(f"user: '0:1'\nvolumes: ['{DATA}:/data:ro']", unknown) == ["filesystem-user"]


@pytest.mark.parametrize(
    ("groups", "refused"),
    [
        ("[80001, 75137]", 0),
        ("[nginx, 101, 999]", 0),
        ("[75138]", 1),
        ("[1000]", 1),
        ("[0]", 1),
        ("['00', 75138, 80001]", 2),
    ],
)
def test_only_groups_of_the_account_and_of_the_image_are_added(groups: str, refused: int) -> None:
    findings = found(f"{USER}group_add: {groups}\nvolumes: ['{DATA}:/data:ro']")
    assert [(f.rule, f.key) for f in findings] == [("filesystem-group", "services.app.group_add")] * refused


def test_a_site_whose_people_share_a_low_group_says_so() -> None:
    keys = f"{USER}group_add: ['100']\nvolumes: ['{DATA}:/data:ro']"
    assert codes(keys) == []
    assert codes(keys, site=replace(SITE, least_gid=100)) == ["filesystem-group"]


@pytest.mark.parametrize("capability", ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"])
def test_capabilities_that_pass_over_permissions_are_refused_beside_a_filesystem_only(capability: str) -> None:
    keys = f"{USER}cap_add: [{capability}, NET_BIND_SERVICE]\n"
    assert codes(keys) == []
    (finding,) = found(f"{keys}volumes: ['{DATA}:/data:ro']")
    assert (finding.rule, finding.key) == ("filesystem-capabilities", "services.app.cap_add")
    assert "NET_BIND_SERVICE" in finding.instead


def test_another_service_of_the_stack_keeps_its_capabilities() -> None:
    text = f"""
        services:
          web: {{image: 'nginx:1', user: '46311:75137', volumes: ['{DATA}:/data:ro']}}
          db: {{image: 'postgres:16', cap_add: [CHOWN, SETUID]}}
    """
    submission = loaded(text)
    assert [f for f in audit(submission, lowered(submission), SITE, ground=ground()) if f.severity is Severity.REFUSE] == []


# How much of it, and how.


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/global/cfs", ["filesystem-home", "filesystem-root"]),
        ("/global/cfs/home", ["filesystem-home", "filesystem-depth"]),
        ("/global/cfs/home/ann/data", ["filesystem-home"]),
        ("/global/cfs/homes", ["filesystem-depth"]),
        ("/global/cfs/physics", ["filesystem-depth"]),
        (DATA, []),
    ],
)
def test_the_deepest_directory_that_will_do_and_never_a_home(path: str, expected: list[str]) -> None:
    assert codes(f"{USER}volumes: ['{path}:/data:ro']", ground(paths={})) == expected


def test_a_link_does_not_hide_how_much_is_mounted() -> None:
    at = ground()
    linked = at.paths[DATA]
    for real, expected in (("/global/cfs", "filesystem-root"), ("/global/cfs/home/ann", "filesystem-home")):
        facts = replace(linked, real=real, way=way(real, {}))
        assert expected in codes(f"{USER}volumes: ['{DATA}:/data:ro']", replace(at, paths={**at.paths, DATA: facts}))


def test_writable_is_warned_of_and_refused_where_the_site_says_so() -> None:
    keys = f"{USER}volumes: ['{DATA}:/data']"
    (finding,) = found(keys)
    assert (finding.rule, finding.severity) == ("filesystem-write", Severity.WARN)
    assert f"`{DATA}:/data:ro`" in finding.instead
    assert codes(keys, site=replace(SITE, filesystems=(replace(CFS, read_only=True),))) == ["filesystem-read-only"]


@pytest.mark.parametrize("way_in", ["x-spin: {http: 80}", "ports: ['80:3000']", "ports: ['8080:80']"])
def test_what_everybody_can_reach_mounts_read_only(way_in: str) -> None:
    assert codes(f"{USER}{way_in}\nvolumes: ['{DATA}:/data:ro']") == []
    assert codes(f"{USER}{way_in}\nvolumes: ['{DATA}:/data']") == ["filesystem-public-write", "filesystem-write"]


def test_what_only_the_institution_reaches_may_write() -> None:
    assert codes(f"{USER}ports: ['5432:5432']\nvolumes: ['{DATA}:/data']") == ["filesystem-write"]
    own = replace(SITE, port_classes=(PortClass("public", "all", ("5432",)),))
    assert "filesystem-public-write" in codes(f"{USER}ports: ['5432:5432']\nvolumes: ['{DATA}:/data']", site=own)


# What the host says.


@pytest.mark.parametrize(
    ("mode", "who", "command"),
    [
        (0o740, "the engine, which is nobody there, and 46311:75137", "chmod o+x /global/cfs/physics"),
        (0o750, "the engine, which is nobody there, and 46311:75137", "chmod o+x /global/cfs/physics"),
        (0o700, "the engine, which is nobody there, and 46311:75137", "chmod o+x /global/cfs/physics"),
        (0o741, "", ""),
        (0o711, "", ""),
        (0o755, "", ""),
    ],
)
def test_each_directory_above_a_mount_needs_the_execute_bit_for_others(mode: int, who: str, command: str) -> None:
    findings = found(f"{USER}volumes: ['{DATA}:/data:ro']", ground(("/global/cfs/physics", mode)))
    assert [f.rule for f in findings] == (["filesystem-traverse"] if who else [])
    for finding in findings:
        assert finding.message == (
            f"/global/cfs/physics has mode {mode:04o} and belongs to 0:0: {who} cannot pass it, so {DATA} cannot be mounted."
        )
        assert finding.instead == f"Type `{command}`, or ask whoever owns it."


def passing(directory: Component, *, squash: bool = False, user: str = "46311:75137", groups: str = "[]") -> list[Finding]:
    at = ground()
    parts = tuple(directory if c.path == directory.path else c for c in at.paths[DATA].way)
    paths = {**at.paths, DATA: replace(at.paths[DATA], way=parts)}
    site = replace(SITE, filesystems=(replace(CFS, root_squash=squash),))
    keys = f"user: '{user}'\ngroup_add: {groups}\nvolumes: ['{DATA}:/data:ro']"
    return found(keys, replace(at, paths=paths), site)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "groups", "command"),
    [
        (0o700, 46311, 1, "[]", ""),  # as the owner
        (0o611, 46311, 75137, "[]", "chmod u+x"),  # the owner's own bit counts, not the others'
        (0o710, 1, 75137, "[]", ""),  # by the group
        (0o701, 1, 75137, "[]", "chmod g+x"),  # the group's own bit counts
        (0o710, 1, 80001, "[80001]", ""),  # by a group that is added
        (0o710, 1, 80001, "[]", "chmod o+x"),  # a group of the account, which the container does not have
        (0o701, 1, 2, "[]", ""),
        (0o750, 1, 2, "[]", "chmod o+x"),
    ],
)
def test_the_account_passes_by_owner_group_or_others(mode: int, uid: int, gid: int, groups: str, command: str) -> None:
    findings = passing(Component("/global/cfs/physics", PathKind.DIRECTORY, mode, uid, gid), groups=groups)
    assert [f.instead for f in findings] == (
        [f"Type `{command} /global/cfs/physics`, or ask whoever owns it."] if command else []
    )


def test_a_mount_is_no_way_around_a_closed_directory_also_where_root_is_not_squashed() -> None:
    (finding,) = passing(Component("/global/cfs/physics", PathKind.DIRECTORY, 0o700, 1, 2))
    assert "46311:75137 cannot pass it" in finding.message
    assert "engine" not in finding.message


def test_the_owners_directory_is_closed_to_a_squashed_engine_all_the_same() -> None:
    (finding,) = passing(Component("/global/cfs/physics", PathKind.DIRECTORY, 0o600, 46311, 1), squash=True)
    assert "Type `chmod o+x,u+x /global/cfs/physics`" in finding.instead


def test_what_is_mounted_itself_is_entered_by_the_account_and_not_by_the_engine() -> None:
    assert passing(Component(DATA, PathKind.DIRECTORY, 0o700, 46311, 1), squash=True) == []
    assert len(passing(Component(DATA, PathKind.DIRECTORY, 0o700, 1, 1), squash=True)) == 1


@pytest.mark.parametrize(
    ("acl", "refused"),
    [
        ([(AclTag.USER, 5, 46311), (AclTag.MASK, 7, 0)], False),
        ([(AclTag.USER, 5, 46311), (AclTag.MASK, 4, 0)], True),
        ([(AclTag.USER, 5, 46312), (AclTag.MASK, 7, 0)], True),
        ([(AclTag.USER, 4, 46311), (AclTag.GROUP, 5, 75137), (AclTag.MASK, 7, 0)], True),
        ([(AclTag.GROUP, 5, 75137), (AclTag.MASK, 7, 0)], False),
        ([(AclTag.GROUP, 4, 75137), (AclTag.GROUP, 1, 80001), (AclTag.MASK, 7, 0)], True),
    ],
)
def test_access_control_lists_count(acl: list[tuple[AclTag, int, int]], refused: bool) -> None:
    entries = ((AclTag.USER_OBJ, 7, 0), *acl, (AclTag.GROUP_OBJ, 0, 0), (AclTag.OTHER, 0, 0))
    place = Component("/global/cfs/physics", PathKind.DIRECTORY, 0o770, 1, 2, tuple(AclEntry(t, b, i) for t, b, i in entries))
    findings = passing(place)
    assert [f.instead for f in findings] == (
        ["Type `setfacl -m u:46311:x /global/cfs/physics`, or ask whoever owns it."] if refused else []
    )


def test_a_path_with_a_strange_name_can_be_typed() -> None:
    path = "/global/cfs/physics/my data; rm -rf ~"
    facts = PathFacts(path, real=path, way=(*way("/global/cfs/physics", {}), Component(path, PathKind.DIRECTORY, 0o700, 1, 1)))
    at = ground()
    entry = f"{{type: bind, source: '{path}', target: /data, read_only: true}}"
    (finding,) = found(f"{USER}volumes: [{entry}]", replace(at, paths={**at.paths, path: facts}))
    assert "`chmod o+x '/global/cfs/physics/my data; rm -rf ~'`" in finding.instead


def test_directories_above_the_filesystem_are_the_operators() -> None:
    assert codes(f"{USER}volumes: ['{DATA}:/data:ro']", ground(("/global", 0o700))) == []


@pytest.mark.parametrize(
    ("facts", "rule", "words"),
    [
        (PathFacts(DATA, missing="/global/cfs/physics"), "filesystem-missing", "there is no /global/cfs/physics on cfs"),
        (
            PathFacts(DATA, real=DATA, way=(Component(DATA, PathKind.OTHER, 0o777, 0, 0),)),
            "filesystem-missing",
            "neither a directory nor a file",
        ),
        (PathFacts(DATA, real="/etc"), "filesystem-link", "leads to /etc by a symbolic link"),
        (PathFacts(DATA, real="/global/cfsx"), "filesystem-link", "leads to /global/cfsx"),
        (PathFacts(DATA, unknown="The engine is far away."), "filesystem-unknown", "The engine is far away"),
    ],
)
def test_what_the_host_says_of_the_path(facts: PathFacts, rule: str, words: str) -> None:
    at = ground()
    (finding,) = found(f"{USER}volumes: ['{DATA}:/data:ro']", replace(at, paths={**at.paths, DATA: facts}))
    assert finding.rule == rule
    assert words in finding.message


def test_a_filesystem_that_is_itself_behind_a_link_is_where_it_leads() -> None:
    paths = {
        DATA: PathFacts(DATA, real="/gpfs/one/physics/data", way=way("/gpfs/one/physics/data", {"/gpfs": 0o700})),
        "/global/cfs": PathFacts("/global/cfs", real="/gpfs/one", way=way("/gpfs/one", {"/gpfs": 0o700})),
    }
    assert codes(f"{USER}volumes: ['{DATA}:/data:ro']", ground(paths=paths)) == []


def test_a_filesystem_is_mounted_in_the_environments_that_have_it() -> None:
    site = replace(SITE, filesystems=(replace(CFS, environments=("production",)),))
    assert codes(f"{USER}volumes: ['{DATA}:/data:ro']", site=site) == ["filesystem-environment"]
    assert codes(f"{USER}volumes: ['{DATA}:/data:ro']", ground(environment="production"), site) == []


def test_without_a_platform_nobody_knows_the_filesystems() -> None:
    alone = Ground(platform=False)
    (finding,) = found(f"{USER}volumes: ['{DATA}:/data:ro']", alone, Site())
    assert (finding.rule, finding.severity) == ("filesystem-unknown", Severity.WARN)
    assert codes("volumes: ['/etc:/x:ro']", alone, Site()) == ["host-path"]
    assert codes("volumes: ['/:/x:ro']", alone, Site()) == ["host-path"]
    assert codes("volumes: ['/var/run/docker.sock:/x']", alone, Site()) == ["host-path"]


def test_nothing_is_said_of_a_path_that_nobody_has_looked_at() -> None:
    assert codes(f"{USER}volumes: ['{DATA}:/data:ro']", Ground()) == []


# The examples of those rules that need the host's word.

_EXAMPLES = {
    "filesystem-environment": (ground(), ground(environment="production")),
    "filesystem-missing": (
        ground(paths={p: PathFacts(p, missing=p) for p in ("/global/cfs/physics/dta",)}),
        ground(),
    ),
    "filesystem-link": (
        ground(
            paths={
                "/global/cfs/physics/etc": PathFacts("/global/cfs/physics/etc", real="/etc"),
                "/global/cfs": PathFacts("/global/cfs", real="/global/cfs"),
            }
        ),
        ground(),
    ),
    "filesystem-traverse": (ground(("/global/cfs/physics", 0o740)), ground(("/global/cfs/physics", 0o741))),
    "filesystem-unknown": (ground(paths={DATA: PathFacts(DATA, unknown="It is far.")}), ground()),
}


@pytest.mark.parametrize("rule", GROUNDED, ids=[r.code for r in GROUNDED])
def test_examples_where_the_hosts_word_is_needed(rule: Description) -> None:
    site = read_site(rule.site)
    for text, on, expected in ((rule.example, _EXAMPLES[rule.code][0], True), (rule.fixed, _EXAMPLES[rule.code][1], False)):
        submission = loaded(text)
        findings = audit(submission, lowered(submission), site, ground=on)
        assert any(f.rule == rule.code for f in findings) is expected
        assert expected or [f for f in findings if f.severity is Severity.REFUSE] == []
