"""Whether the platform serves, and what there is to measure: for load balancers and Prometheus, at fixed addresses."""

from __future__ import annotations

from fastapi import APIRouter, Response

from spin.api.context import Person, ThePlatform
from spin.api.metrics import CONTENT_TYPE, render
from spin.usecases.metrics import measured, readiness
from spin.usecases.platform import Readiness

router = APIRouter(tags=["site"])


@router.get("/healthz", summary="Whether the process serves")
async def get_healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get(
    "/readyz", summary="Whether the store and the engines answer; 503 where one does not", responses={503: {"model": Readiness}}
)
async def get_readyz(platform: ThePlatform, response: Response) -> Readiness:
    found = await readiness(platform)
    response.status_code = 200 if found.ready else 503
    return found


@router.get(
    "/metrics",
    summary="Prometheus metrics: one's own stacks, and for operators all and the platform's own",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(platform: ThePlatform, person: Person) -> Response:
    return Response(render(await measured(platform, person), process=person.operator), media_type=CONTENT_TYPE)
