"""The projects to go on with, as cards, and the picture of what a walk does."""

import time

import streamlit as st

from loopscope.store import ProjectRow
from loopscope.ui.components import plain
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.state import may_open, open_project, session

SHOWN = 6
A_ROW = 3
AGES = ((60.0, 1.0, "just now"), (3600.0, 60.0, "min"), (86400.0, 3600.0, "h"), (float("inf"), 86400.0, "days"))
STAGES = (
    ("Scan", "every file decoded, or listed with the reason why not"),
    ("Embed", "each loop becomes a point; faults are looked for"),
    ("Train", "a detector learns what is normal in this folder"),
    ("Explore", "hear what stands out: faulty takes, surprising gems"),
)
_STYLE = (
    "<style>.lk-walk{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.6rem;margin:0 0 .4rem;"
    "padding:0;list-style:none}.lk-walk li{border:1px solid color-mix(in srgb,currentColor 18%,transparent);"
    "border-radius:6px;padding:.55rem .8rem;margin:0}.lk-walk svg{display:block;height:2rem;width:100%;opacity:.8}"
    ".lk-walk b{display:block;margin-top:.3rem}.lk-walk span{font-size:.86em;opacity:.75}</style>"
)
_DRAWINGS = (
    '<path d="M2 16h6l3-9 4 20 4-24 4 22 4-14 3 5h8l3-7 4 15 4-20 4 17 3-5h10" fill="none" stroke="currentColor" '
    'stroke-width="1.6"/>',
    "".join(
        f'<rect x="{4 + 9 * column}" y="{4 + 8 * row}" width="7" height="6" fill="currentColor" '
        f'opacity="{0.15 + 0.85 * ((column * 5 + row * 3) % 7) / 7:.2f}"/>'
        for column in range(8)
        for row in range(3)
    ),
    '<path d="M4 4c8 18 20 20 64 22" fill="none" stroke="currentColor" stroke-width="1.6"/>'
    '<path d="M4 9c10 15 22 15 64 17" fill="none" stroke="currentColor" stroke-width="1.2" stroke-dasharray="3 3"/>',
    "".join(
        f'<circle cx="{20 + dx}" cy="{16 + dy}" r="2.2" fill="currentColor" opacity=".55"/>'
        for dx, dy in ((0, 0), (7, 4), (-6, 5), (4, -6), (-4, -5), (11, -2), (-11, 1), (15, 5), (1, 8))
    )
    + '<circle cx="64" cy="8" r="3.4" fill="#d1603d"/>',
)
_STEPS = "".join(
    f'<li><svg viewBox="0 0 76 32" preserveAspectRatio="xMinYMid meet" aria-hidden="true">{drawing}</svg>'
    f"<b>{name}</b><span>{what}</span></li>"
    for (name, what), drawing in zip(STAGES, _DRAWINGS, strict=True)
)
WALK_PICTURE = f'{_STYLE}<ol class="lk-walk" aria-label="What happens when you choose a folder">{_STEPS}</ol>'


def continue_cards() -> None:
    """The owner's projects, the one opened last first: go on, rename, forget."""
    state = session()
    rows = [row for row in project_registry().known(state.owner) if row.project_id != state.project.id]
    rows = [row for row in rows if may_open(row.folder)]
    if not rows:
        return
    st.subheader("Continue", anchor=False)
    shown = rows if st.session_state.get("projects-all") else rows[:SHOWN]
    for start in range(0, len(shown), A_ROW):
        for place, row in zip(st.columns(A_ROW), shown[start : start + A_ROW], strict=False):
            with place.container(border=True):
                _card(row)
    if len(rows) > len(shown):
        st.toggle(f"Show all {len(rows)} projects", key="projects-all")


def _card(row: ProjectRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(row.name)}**", width="content", help=plain(row.folder))
        with st.popover("", icon=":material/more_horiz:", key=f"more-{row.project_id}", type="tertiary"):
            _change(row)
    st.caption(" · ".join(_said(row)))
    if st.button("Continue", key=f"continue-{row.project_id}", icon=":material/play_arrow:", width="stretch"):
        continue_project(row.project_id)


def _change(row: ProjectRow) -> None:
    registry, owner = project_registry(), session().owner
    name = st.text_input("Name", row.name, max_chars=80, key=f"name-{row.project_id}").strip()
    if st.button("Rename", key=f"rename-{row.project_id}", disabled=not name or name == row.name):
        registry.rename(owner, row.project_id, name)
        st.rerun()
    st.caption("Forgetting deletes the project and its models. Sounds, marks and notes stay.")
    if st.button("Forget", key=f"forget-{row.project_id}", icon=":material/delete:"):
        registry.forget(owner, row.project_id)
        st.rerun()


def _said(row: ProjectRow) -> list[str]:
    n_loops, n_flagged = row.state.get("n_loops"), row.state.get("n_flagged")
    said = [f"{n_loops:,} {'loop' if n_loops == 1 else 'loops'}"] if isinstance(n_loops, int) else []
    said += [f"{n_flagged:,} stand out"] if isinstance(n_flagged, int) else []
    said += ["not finished"] if row.state.get("standing") != "done" else []
    return [*said, f"opened {age(time.time() - row.opened_at)}"]


def age(seconds: float) -> str:
    """How long ago: "just now", "5 min ago", "3 h ago", "2 days ago"."""
    _, unit_s, words = next(step for step in AGES if seconds < step[0])
    count = int(seconds / unit_s)
    return words if unit_s == 1.0 else f"{count} {words.removesuffix('s') if count == 1 else words} ago"


def continue_project(project_id: str) -> None:
    """Opens a project where it was left."""
    project = project_registry().open(session().owner, project_id, may_open)
    if project is None:
        st.error("This project is not here any more; choose its folder again.")
        return
    open_project(project)
    page = project.memory.page
    st.switch_page(f"pages/{page if page in ('embed', 'train', 'compare') else 'explore'}.py")
