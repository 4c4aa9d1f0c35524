"""What an image makes of a container's groups, where it mounts one of the site's filesystems.

The engine looks groups up in the container's own /etc/group at every start, by name first, numbers too, and that of `user: UID:GID` as
well as those of `group_add` (seen with 20.10; moby's user.GetAdditionalGroups). An image with the line `75137:x:80001:` puts a container
of the group 75137 into somebody else's group, 80001. So what the engine will find is looked at before a container is made, and that its
processes cannot change it, as the next start would obey.
"""

from __future__ import annotations

import io
import tarfile
from collections import OrderedDict
from dataclasses import dataclass

from aiodocker.exceptions import DockerError

from spin.engines.docker import helpers, labels
from spin.engines.docker.client import Client
from spin.engines.docker.labels import Kind
from spin.errors import Failed
from spin.model.names import DeploymentKey
from spin.model.steps import Create
from spin.site import Site

FILE = "/etc/group"
MOST_BYTES = 1024 * 1024
"""Largest file that is looked at; a distribution's own has some hundred bytes."""
_WAY = ("/", "/etc", FILE)
_HEADER = 16 * 1024
"""Enough of a tar stream for its first header, extensions included, bytes."""
_HELPER = "-groups"
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Found:
    """What an image says. It is pinned, so this never changes."""

    text: str
    """Of its file; empty where it has none."""
    open: str
    """The first place on the way to the file that others than root may change; empty if there is none."""


class Groups:
    def __init__(self, client: Client, site: Site) -> None:
        self._client = client
        self._site = site
        self._known: OrderedDict[str, Found] = OrderedDict()

    async def check(self, key: DeploymentKey, step: Create, name: str) -> None:
        """Raises Failed where the container would be in another group than it says, or in one of the site's under a name.

        `name`: of the container that will be made.
        """
        spec = step.spec
        found = self._known.get(spec.image.pinned)
        if found is None:
            found = self._known[spec.image.pinned] = await self._look(key, step, name + _HELPER)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        own = (spec.user or "").partition(":")[2]
        wrong = foreign((*((own,) if own else ()), *spec.group_add), found.text, self._site.least_gid)
        if not wrong and found.open and not spec.read_only:
            wrong = (
                f"its image lets processes that are not root's change {found.open}, and so the groups of the next start; "
                "mend the image, or write `read_only: true`."
            )
        if wrong:
            raise Failed(f"{spec.name} cannot be created: {wrong}", service=spec.name)

    async def sweep(self, key: DeploymentKey) -> None:
        """Remove the helper containers that a check which was killed has left."""
        filters = labels.selector(self._site.id, key, Kind.HELPER)
        for found in await self._client.get("containers/json", all="true", filters=filters):
            if found["Names"][0].endswith(_HELPER):
                await helpers.remove(self._client, f"containers/{found['Id']}", v="true")

    async def _look(self, key: DeploymentKey, step: Create, helper: str) -> Found:
        """Asks a container that mounts nothing and is never started."""
        which = {labels.SERVICE: step.spec.name, labels.DIGEST: step.digest}
        ours = labels.labels_for(self._site.id, key, Kind.HELPER, which)
        async with helpers.never_started(self._client, helper, step.spec.image.pinned, ours):
            starts = [(path, await self._read(helper, path, _HEADER)) for path in _WAY]
            content = await self._read(helper, FILE, 2 * MOST_BYTES)
        return Found(_text(content), next((path for path, start in starts if start and not _is_roots(start)), ""))

    async def _read(self, helper: str, path: str, most: int) -> bytes:
        """The first bytes of the tar stream of `path`; empty where there is no such thing."""
        read = b""
        try:
            async with self._client.stream("GET", f"containers/{helper}/archive", params={"path": path}) as response:
                while len(read) < most and (chunk := await response.content.read(most - len(read))):
                    read += chunk
                response.close()
        except DockerError as error:
            if error.status != 404 or "Could not find the file" not in error.message:  # 404 also where there is no such container
                raise
        return read


def foreign(groups: tuple[str, ...], text: str, least: int) -> str:
    """The first group that is not what it seems, in a sentence; empty if there is none. `text`: of the image's file.

    The engine takes the first line that fits, and 0 for a number that it cannot read. Here no line may be amiss.
    """
    entries = [line.strip().split(":") for line in text.split("\n") if line.strip()]
    for group in groups:
        for entry in entries:
            if entry[0] != group:
                continue
            gid = int(entry[2]) if len(entry) > 2 and entry[2].isascii() and entry[2].isdecimal() else 0
            if group.isdecimal() and gid != int(group):
                return f"its image calls another group, {gid}, by the name {group!r}."
            if not group.isdecimal() and not 0 < gid < least:
                return (
                    f"the group {group!r} of its image is {gid}, which is not one of the image's own; they are 1 to {least - 1}."
                )
    return ""


def _text(content: bytes) -> str:
    """The one file of a tar stream. Raises Failed for anything else, such as a link, which the engine would follow."""
    if not content:
        return ""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|") as tar:
            member = tar.next()
            file = tar.extractfile(member) if member is not None and member.isreg() and member.size <= MOST_BYTES else None
            if file is not None:
                return file.read().decode(errors="replace")
    except tarfile.TarError:
        pass
    raise Failed(f"The image's {FILE} is no plain file of at most {MOST_BYTES // 1024} KiB: the groups cannot be told.")


def _is_roots(start: bytes) -> bool:
    """Whether the first member of a tar stream belongs to root and nobody else may write to it."""
    try:
        with tarfile.open(fileobj=io.BytesIO(start), mode="r|") as tar:
            member = tar.next()
    except tarfile.TarError:
        return False
    return member is not None and member.uid == 0 and not member.mode & 0o022
