"""Leases: where the ledger stands, every lease, and the life of one."""

from dataclasses import fields
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from overseen.api.reading.leases import LeaseFilter
from overseen.domain.outcomes import Role
from overseen.web.rendering import page
from overseen.web.session import ServicesHere, ViewerHere

router = APIRouter(prefix="/leases")

_LEASE_ROLES = (Role.AUDITOR, Role.OPERATOR)


@router.get("")
async def show_list(
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    chosen: Annotated[LeaseFilter, Depends(LeaseFilter)],
) -> Response:
    """Counters and the table, filtered by the address."""
    viewer.require(viewer.sees_leases, "seeing the leases", _LEASE_ROLES)
    leases, paging = await services.leases.list(chosen)
    kept = {
        field.name: getattr(chosen, field.name) for field in fields(chosen) if field.name not in ("cursor", "limit")
    }
    return page(
        request,
        "leases/list.html",
        block="ledger",
        leases=leases,
        paging=paging,
        chosen=chosen,
        kept=urlencode({name: value for name, value in kept.items() if value}),
        counters=await services.leases.counters(),
        choices=await services.leases.choices(),
    )


@router.get("/{lease_id}")
async def show_lease(request: Request, viewer: ViewerHere, services: ServicesHere, lease_id: str) -> Response:
    """One lease and its life, drawn to scale."""
    viewer.require(viewer.sees_leases, "seeing the leases", _LEASE_ROLES)
    lease = await services.leases.lease(lease_id)
    return page(request, "leases/detail.html", lease=lease, life=lease.life())
