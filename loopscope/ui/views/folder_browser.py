"""Choosing a folder of this computer: breadcrumbs, sub-folders with counts, a path box."""

import os
from pathlib import Path

import streamlit as st

from loopscope.allowed_folders import allowed_roots, check_root, is_allowed, is_loopback
from loopscope.errors import LibraryError
from loopscope.files import is_address
from loopscope.library import list_subfolders
from loopscope.ui.components import plain, show_failure
from loopscope.ui.state import may_open, session

LISTED = 300
HEIGHT, FITTING = 300, 6  # pixels, and how many folders fit without scrolling
CACHE_S = 30.0


def roots() -> tuple[Path, ...]:
    """The folders this session may open: those of the server, and those the person at this machine allowed."""
    return (*allowed_roots(_address()), *session().allowed)


def _address() -> str | None:
    address: str | None = st.get_option("server.address")
    return address


def checked(path: str | Path) -> Path | None:
    """The folder if it may be opened, else None with the reason on the page and, on this machine, a way to allow it."""
    try:
        return check_root(path, roots())
    except LibraryError as error:
        show_failure(error)
    folder = Path(path).expanduser()
    if is_loopback(_address()) and folder.is_dir() and not is_allowed(folder, roots()):
        st.button("Allow this folder for this session", key="allow", on_click=_allow, args=(folder.resolve(),))
    return None


def _allow(folder: Path) -> None:
    session().allowed = (*session().allowed, folder)
    session().browsed = folder


def typed_path() -> Path | str | None:
    """The path box with its button; None until a good path, or an archive's address, was confirmed."""
    with st.form("path-form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.text_input("Path", placeholder="/Users/me/Music/Loops", key="path").strip()
        pressed = st.form_submit_button("Analyse", width="content")
    if not path:
        if pressed:
            st.error("Type the path of a folder first, or choose one in the browser below.")
        return None
    folder = _allowed_address(path) if is_address(path) else checked(path)
    return folder if pressed else None


def _allowed_address(address: str) -> str | None:
    """Only for the person at this machine: it is read with this machine's keys, from within its network."""
    if may_open(address):
        return address
    st.error("Archives at an address are opened by whoever sits at the app's machine; ask its owner.")
    return None


@st.cache_data(ttl=CACHE_S, show_spinner=False)
def _subfolders(folder: bytes) -> list[tuple[str, str, str]]:  # Streamlit hashes text as UTF-8, which a name may not be
    table = list_subfolders(os.fsdecode(folder))
    return list(zip(table["name"], table["path"], table["count"], strict=True))


def browse() -> Path | None:
    """Breadcrumbs, sub-folders with their file counts, and the button that analyses the folder in view."""
    state = session()
    places = roots()
    if not places:
        st.info("This server opens no folder yet: its owner lists them in LOOPSCOPE_ROOTS. Upload a folder instead.")
        return None
    here = state.browsed if state.browsed is not None and is_allowed(state.browsed, places) else places[0]
    _breadcrumbs(here, places)
    folders, failure = _listed(here)
    with st.container(border=True, height=HEIGHT if len(folders) > FITTING else "content"):
        if failure is not None:
            show_failure(failure)
        elif not folders:
            st.caption("No sub-folders here.")
        for name, path, count in folders[:LISTED]:
            label = f"{plain(name)} · {count}"
            st.button(
                label, key=f"open-{path!r}", icon=":material/folder:", type="tertiary", on_click=_go, args=(Path(path),)
            )
        if len(folders) > LISTED:
            st.caption(f"{len(folders) - LISTED:,} more sub-folders: type the path above.")
    if here in (Path.home(), Path(here.anchor)):  # thousands of sounds that nobody meant
        st.caption("Open the folder that holds your loops.")
        return None
    return here if st.button(f"Analyse {plain(here.name)}", type="primary", key="scan-here") else None


def _listed(here: Path) -> tuple[list[tuple[str, str, str]], LibraryError | None]:
    """Sub-folders, or why there are none to show."""
    try:
        return _subfolders(os.fsencode(here)), None
    except LibraryError as error:
        return [], error


def _breadcrumbs(here: Path, places: tuple[Path, ...]) -> None:
    root = max((place for place in places if here.is_relative_to(place)), key=lambda place: len(place.parts))
    trail = [folder for folder in (*reversed(here.parents), here) if folder.is_relative_to(root)]
    with st.container(horizontal=True, gap="small"):
        for place in [other for other in places if other != root]:
            st.button(plain(str(place)), key=f"root-{place!r}", type="tertiary", on_click=_go, args=(place,))
        for folder in trail:
            label = f"{plain(str(folder) if folder == root else folder.name)} /"
            st.button(label, key=f"crumb-{folder!r}", type="tertiary", on_click=_go, args=(folder,))


def _go(folder: Path) -> None:
    session().browsed = folder
