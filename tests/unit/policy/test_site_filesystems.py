"""What a site file may name as a filesystem."""

from __future__ import annotations

import pytest

from spin.errors import InvalidInput
from spin.rules import read_site
from spin.site import Filesystem

PLAIN = '[[filesystems]]\nname = "cfs"\npath = "/global/cfs"\n'


def test_a_filesystem_with_all_that_can_be_said_of_it() -> None:
    more = 'environments = ["production"]\nread_only = true\nhomes = ["/global/cfs/home"]\nroot_squash = false\ndescription = "x"'
    site = read_site(PLAIN + more)
    assert site.filesystems == (
        Filesystem("cfs", "/global/cfs", "x", ("production",), read_only=True, homes=("/global/cfs/home",), root_squash=False),
    )
    assert read_site("").filesystems == ()


def test_a_path_is_of_the_filesystem_on_which_it_lies() -> None:
    site = read_site(PLAIN + '[[filesystems]]\nname = "scratch"\npath = "/global/scratch"')
    for path, name in (("/global/cfs", "cfs"), ("/global/scratch/x", "scratch"), ("/global/cfsx", None), ("/global", None)):
        found = site.filesystem(path)
        assert (None if found is None else found.name) == name


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('[[filesystems]]\nname = "x"', "filesystems[0].", "missing: path"),
        (PLAIN.replace("/global/cfs", "global/cfs"), "filesystems[0].path", "an absolute path"),
        (PLAIN.replace("/global/cfs", "/global/cfs/"), "filesystems[0].path", "an absolute path"),
        (PLAIN.replace("/global/cfs", "/global/../etc"), "filesystems[0].path", "an absolute path"),
        (PLAIN.replace("/global/cfs", "/"), "filesystems[0].path", "the host's own"),
        (PLAIN.replace("/global/cfs", "/etc/x"), "filesystems[0].path", "the host's own"),
        (PLAIN.replace("/global/cfs", "/var"), "filesystems[0].path", "the host's own"),
        (PLAIN.replace("/global/cfs", "/var/lib/docker"), "filesystems[0].path", "the host's own"),
        (PLAIN + PLAIN, "filesystems[1].path", "overlaps"),
        (PLAIN + PLAIN.replace("/global/cfs", "/global"), "filesystems[1].path", "overlaps"),
        (PLAIN + PLAIN.replace("/global/cfs", "/other"), "filesystems[1].name", "two of the name"),
        (PLAIN + 'environments = ["moon"]', "filesystems[0].environments", "no environment 'moon'"),
        (PLAIN + 'homes = ["home"]', "filesystems[0].homes", "below /global/cfs"),
        (PLAIN + 'homes = ["/home"]', "filesystems[0].homes", "below /global/cfs"),
    ],
)
def test_what_it_may_not_name(text: str, key: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_site(text)
    assert caught.value.fields["key"] == key
    assert words in caught.value.message
