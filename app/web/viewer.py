"""Who looks at the page and in which project, as plain values that outlive the request's database session."""

from dataclasses import dataclass

from fastapi import Request


@dataclass(frozen=True)
class Viewer:
    """The person signed in."""

    id: int
    name: str
    email: str
    is_admin: bool


@dataclass(frozen=True)
class ProjectFrame:
    """The project a page belongs to, as its navigation shows it."""

    id: int
    name: str
    is_manager: bool
    archived: bool = False


def viewer_of(request: Request) -> Viewer | None:
    """The person that an access dependency has recognised in this request."""
    return getattr(request.state, "viewer", None)


def frame_of(request: Request) -> ProjectFrame | None:
    """The project that an access dependency has admitted the viewer to."""
    return getattr(request.state, "project_frame", None)
