"""Small pieces that several pages share: headings, empty states, the sidebar's status, and a running task."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from loopscope.config import paths
from loopscope.errors import LoopscopeError
from loopscope.files import display_name
from loopscope.library import Library, suffixes_below
from loopscope.store import Store
from loopscope.ui.projects.registry import home_claim, open_store
from loopscope.ui.projects.tasks import Task
from loopscope.ui.state import session

PAGES = {
    "library": ("pages/library.py", "Choose a folder in Library"),
    "embed": ("pages/embed.py", "Embed the loops"),
    "train": ("pages/train.py", "Train a detector"),
    "explore": ("pages/explore.py", "Explore the scores"),
}
POLL_S = 0.5
KINDS_SHOWN = 4  # of files that are no audio


def heading(title: str, purpose: str) -> None:
    """A page's title with one sentence on what it is for."""
    st.header(title, anchor=False)
    st.caption(purpose)
    show_store_notice()


def show_store_notice() -> None:
    """That another server uses the database, and what became of it, until this session has said that it was read."""
    if other := home_claim(str(paths().database)).other_server():
        st.warning(plain(other), icon=":material/warning:")
    notice, state = store().notice, session()
    if notice and notice != state.notice_read:
        st.warning(plain(notice), icon=":material/warning:")
        if st.button("Understood", key="notice-read"):
            state.notice_read = notice
            st.rerun()


def show_failure(error: LoopscopeError) -> None:
    """An error that a page could not go on from, as its sentence."""
    st.error(plain(str(error)), icon=":material/error:")


def next_step(name: str, sentence: str = "") -> None:
    """An empty state or an ending that leads on: what to do, and the link that does it."""
    target, label = PAGES[name]
    if sentence:
        st.markdown(sentence)
    if st.button(label, type="primary", icon=":material/arrow_forward:", key=f"next-{name}"):
        st.switch_page(target)


def empty_folder(library: Library) -> None:
    """What was found where no loop was, and what to do."""
    n_files = len(library.rejected)
    st.error(
        f"None of the {n_files:,} audio files in this folder can be used; the Library page has the reasons."
        if n_files
        else f"There is no audio file (wav, flac, ogg, mp3, aiff) in this folder or below it{_found_instead(library)}; "
        "choose another one."
    )


def _found_instead(library: Library) -> str:
    """Such as ", but 12 .mid, 3 .txt"; empty where there is nothing at all."""
    found = suffixes_below(library.root).most_common(KINDS_SHOWN)
    return plain(", but " + ", ".join(f"{count:,} {kind}" for kind, count in found)) if found else ""


def store() -> Store:
    """The user's database."""
    return open_store(str(paths().database))


def plain(text: str) -> str:
    """A name or message from outside as literal text: Markdown and HTML marks lose their meaning."""
    return "".join(f"\\{char}" if char in r"\`*_{}[]()<>#+-.!|~$:^&" else char for char in printable(text))


def printable(text: str) -> str:
    """The text in one line of valid Unicode, as every screen and JSON can carry it."""
    return display_name(text).replace("\n", "␤").replace("\r", "␍")


def printable_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every text column made printable."""
    texts = [name for name in table.columns if pd.api.types.is_string_dtype(table[name])]
    return table.assign(**{name: table[name].map(printable, na_action="ignore") for name in texts})


def encoder_name() -> str:
    """The encoder behind the session's numbers, in a few words."""
    state = session()
    if state.encoder is not None:
        return state.encoder.description.partition(",")[0]
    return state.embeddings.encoder_id if state.embeddings is not None else "none yet"


def show_notice() -> None:
    """The whole sentence about the encoder and its fall-back, where encoders are chosen."""
    encoder = session().encoder
    if encoder is not None:
        st.caption(f"Encoder: {plain(encoder.description)}")
        if encoder.notice:
            st.warning(plain(encoder.notice), icon=":material/info:")


def show_provenance() -> None:
    """One line on which encoder made the numbers on this page."""
    encoder = session().encoder
    fallback = " · offline stand-in for CLAP, see Embed" if encoder is not None and encoder.notice else ""
    st.caption(f":material/info: Numbers made with {plain(encoder_name())}{fallback}")


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 3 min 20 s, 1 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def figures_row(*figures: tuple[str, str, str | None]) -> None:
    """Figures side by side: title, value, help. At their own width they wrap on a narrow page, never truncate."""
    with st.container(horizontal=True, gap="medium"):
        for title, value, explained in figures:
            st.metric(title, value, help=explained, width="content")


def task_line(task: Task) -> str:
    """Counts, rate and time left of a running task."""
    report = task.progress
    if report is None:
        return f"{task.title} · {duration(task.seconds)}"
    each, unit = (1e6, "MB") if report.unit == "bytes" else (1, report.unit)
    counted = f"{report.done / each:,.0f}" + (f" of {report.total / each:,.0f}" if report.total else "") + f" {unit}"
    parts = [report.step, report.stage, counted if report.total or report.done else "", report.message]
    if task.rate:
        parts.append(f"{task.rate / each:,.1f} {unit}/s")
    if task.seconds_left is not None:
        at_most = "at most " if report.at_most and not report.step else ""
        parts.append(f"{at_most}{duration(task.seconds_left)} left{' in all' if report.step else ''}")
    return " · ".join(filter(None, parts))


def show_task(
    kind: str,
    *,
    cancel_label: str = "Cancel",
    body: Callable[[Task], None] | None = None,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Follows the project's task of this kind until it ends or `until` says so, then reruns the page once."""
    if session().project.tasks.get(kind) is not None:
        _follow(kind, cancel_label, body, until)


@st.fragment(run_every=POLL_S)
def _follow(kind: str, cancel_label: str, body: Callable[[Task], None] | None, until: Callable[[], bool]) -> None:
    task = session().project.tasks.get(kind)
    if task is None or not task.running or until():
        st.rerun()
        return
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(task.share, text=plain(task_line(task)))
    stopping = task.should_stop()
    if right.button(
        "Stopping…" if stopping else cancel_label, key=f"cancel-{kind}", disabled=stopping, width="stretch"
    ):
        task.cancel()
    if body is not None:
        body(task)


def ended(kind: str) -> Task | None:
    """The project's task of this kind if it has ended: once in every tab, with its error shown."""
    state = session()
    task = state.project.tasks.get(kind)
    if task is None or task.running or task.number in state.told:
        return None
    state.told.add(task.number)
    if task.state == "failed":
        st.error(plain(task.error), icon=":material/error:")
    elif task.state == "cancelled":
        st.info(plain(task.error), icon=":material/pause_circle:")
    return task
