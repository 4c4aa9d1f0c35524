"""Keys below `build`: how `spin build` makes the image, on the workstation."""

from __future__ import annotations

from spin.policy.keys.verdicts import VALUE, Ignored, Refused, Supported, each

_BY_HAND = "Leave it out, or build with `docker build`, push the image and name it in `image`."

BUILD = Supported(
    keys={
        **each("context dockerfile dockerfile_inline target no_cache pull args labels", VALUE),
        **each("cache_from cache_to no_cache_filter", Ignored("the builder of the workstation keeps a cache of its own")),
        **each(
            "provenance sbom", Ignored("the image runs without it", "Leave it out; `docker buildx build` makes attestations.")
        ),
        "tags": Ignored(
            "an image is pushed under the name that `image` gives it", "Leave it out; push further names with `docker push`."
        ),
        "isolation": Ignored("it is for Windows containers, which do not run here"),
        "shm_size": Refused("is not given to `spin build`'s builder", _BY_HAND),
        "ulimits": Refused("is not given to `spin build`'s builder", _BY_HAND),
        "extra_hosts": Refused("is not given to `spin build`'s builder", _BY_HAND),
        "network": Refused("is not given to `spin build`'s builder", _BY_HAND),
        "additional_contexts": Refused("is not read by `spin build`, which sends one folder", _BY_HAND),
        "platforms": Refused("would make an image for other machines than the site's", _BY_HAND),
        "secrets": Refused("is not read by `spin build`", _BY_HAND),
        "ssh": Refused("is not read by `spin build`", _BY_HAND),
        **each("entitlements privileged", Refused("would give the build rights over the workstation", _BY_HAND)),
    }
)
