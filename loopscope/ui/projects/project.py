"""A project: one folder of one owner, what is known of it, the work that goes on for it, and how it is remembered.

Conventions: shared by all tabs of its owner and by worker threads. `contents` is replaced, never changed; what the user
set (model in view, thresholds, the explorer's view) is written to the store as it is set.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from loopscope.analysis.scoring import ScoredLoops
from loopscope.analysis.walk import Plan
from loopscope.config import DEFAULT_PERCENTILE
from loopscope.errors import DataError, StoreError
from loopscope.files import display_name
from loopscope.store import ProjectRow, Store
from loopscope.ui.projects.contents import Contents, EncoderNote
from loopscope.ui.projects.tasks import TaskBoard
from loopscope.ui.server.visitors import LOCAL

T = TypeVar("T")
Standing = Literal["running", "done", "stopped"]
VIEWS_KEPT = 3
NOTICE_S = 20.0


@dataclass(frozen=True)
class Notice:
    """Something to say once, in a sentence. `id` is the time it was said at, in milliseconds since the epoch."""

    id: int
    text: str

    @property
    def is_fresh(self) -> bool:
        """Whether a tab that opens now should still hear it."""
        return time.time() - self.id / 1000 < NOTICE_S


@dataclass(frozen=True)
class SavedModel:
    """Where a model lies on disk, and the part of the library that it was trained on, empty for all of it."""

    path: str
    subset: str = ""


@dataclass
class Remembered:
    """What the store keeps of a project besides its name. `standing`: how the walk stands, "running" also where it was
    killed, "stopped" where the user or an error ended it.

    `models` by label and `undo_files`, the oldest first. `moving`: a copy, move or undo was begun and has no end yet.
    """

    plan: Plan = field(default_factory=Plan)
    standing: Standing = "running"
    encoder: EncoderNote | None = None
    active: str = ""
    percentiles: dict[str, float] = field(default_factory=dict)
    models: dict[str, SavedModel] = field(default_factory=dict)
    n_loops: int = 0
    n_flagged: int | None = None
    page: str = ""
    selected: str | None = None
    undo_files: tuple[str, ...] = ()
    moving: bool = False
    view: Mapping[str, Any] | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Remembered":
        """What an older or newer version wrote as far as it is understood; the rest is as new."""
        found = cls(_understood(Plan, row.get("plan")) or Plan(), encoder=_understood(EncoderNote, row.get("encoder")))
        models = {label: _understood(SavedModel, model) for label, model in _pairs(row.get("models")).items()}
        found.models = {label: model for label, model in models.items() if model is not None}
        thresholds = _pairs(row.get("percentiles")).items()
        found.percentiles = {label: x for label, x in thresholds if isinstance(x, int | float) and 0 <= x <= 100}
        if row.get("standing") in get_args(Standing):
            found.standing = row["standing"]
        hints = get_type_hints(cls)
        found.view = _pairs(row.get("view")) or None
        files = row.get("undo_files", [row.get("undo")])  # older versions remembered the last one
        if isinstance(files, list):
            found.undo_files = tuple(file for file in files if file and isinstance(file, str))
        for name in ("active", "n_loops", "n_flagged", "page", "selected", "moving"):
            if name in row and isinstance(row[name], hints[name]):
                setattr(found, name, row[name])
        return found


def free_label(label: str, taken: set[str]) -> str:
    """The label where it is free, else with the time, else numbered as well."""
    dated = f"{label} · {time.strftime('%H:%M:%S')}"
    numbered = (f"{dated} ({number})" for number in count(2))
    return next(free for free in chain((label, dated), numbered) if free not in taken)


def _pairs(row: object) -> dict[str, Any]:
    return row if isinstance(row, dict) else {}


def _said_at(named: Mapping[str, Any]) -> float:
    """When the views got their names, in milliseconds since 1970; 0 where that is unknown."""
    at = named.get("at")
    return at if isinstance(at, int | float) else 0


def _understood(kind: type[T], row: object) -> T | None:
    """A record as far as its fields are known here; None where one of them is of another type or missing."""
    hints, stored = get_type_hints(kind), _pairs(row)
    known = {name: stored[name] for name in hints if name in stored}
    if not known or not all(isinstance(value, hints[name]) for name, value in known.items()):
        return None
    try:
        return kind(**known)
    except (TypeError, DataError):  # a field without a default is missing, or what it names
        return None


class Project:
    """Without a store nothing is remembered: that is the project of a session that has not chosen a folder."""

    def __init__(self, row: ProjectRow | None = None, store: Store | None = None) -> None:
        self.id = row.project_id if row else ""
        self.owner = row.owner if row else LOCAL
        self.address = row.folder if row else ""  # the folder, or where an archive lies elsewhere (s3://…)
        self.folder = Path(self.address)
        self.name = row.name if row else ""
        self.opened_at = row.opened_at if row else 0.0
        self.memory = Remembered.from_row(row.state) if row else Remembered()
        self.key = secrets.token_hex(8)  # names what this process made of it
        self.contents = Contents()
        self.tasks = TaskBoard()
        self.notice: Notice | None = None
        self.is_out = threading.Event()  # no page waits to be drawn for what is read from the store
        self.is_out.set()
        self.is_asked = threading.Event()  # else it was read ahead of whoever will ask for it
        self.is_asked.set()
        self.is_interrupted = False  # its work ends with the server and not by anyone's wish
        self._store = store
        self.lock = threading.RLock()
        self._views: OrderedDict[Hashable, Any] = OrderedDict()

    @classmethod
    def new(cls, owner: str, folder: Path | str, plan: Plan, store: Store) -> "Project":
        """A project for a folder that is analysed for the first time, or for the address of an archive."""
        name = display_name(Path(folder).name or str(folder))
        row = ProjectRow(secrets.token_urlsafe(9), owner, str(folder), name, time.time())
        project = cls(row, store)
        project.memory.plan = plan
        project.keep()
        return project

    def update(self, *, redraw: bool = True, refill: bool = True, **changes: Any) -> Contents:
        """Replace parts of the contents; returns the new ones.

        `redraw`: whether pages have to be drawn anew for it, `refill`: whether the explorer has.
        """
        with self.lock:
            now = self.contents
            serial, generation = now.serial + refill, now.generation + redraw
            self.contents = replace(now, **changes, serial=serial, generation=generation)
            return self.contents

    def remember(self, **changes: Any) -> None:
        """Set fields of `memory` and write them to the store where any of them is new.

        A full disk keeps nobody from listening: it is said, and what was set holds until the server stops.
        """
        with self.lock:
            if all(getattr(self.memory, name) == value for name, value in changes.items()):
                return
            for name, value in changes.items():
                setattr(self.memory, name, value)
        try:
            self.keep()
        except StoreError as error:
            self.say(str(error))

    def remember_view(self, view: Mapping[str, Any]) -> None:
        """How a page shows the project; views that another page named later than it knows of stay."""
        known, said = (_pairs(_pairs(shown).get("named")) for shown in (self.memory.view, view))
        self.remember(view={**view, "named": known} if _said_at(known) > _said_at(said) else view)

    def keep(self) -> None:
        """Write the project to the store. Raises StoreError."""
        if self._store is None or not self.id:
            return
        with self.lock:
            row = ProjectRow(self.id, self.owner, self.address, self.name, self.opened_at, asdict(self.memory))
        self._store.put_project(row)

    def say(self, text: str) -> None:
        """Something that every page of this project says once."""
        with self.lock:
            self.notice = Notice(int(1000 * time.time()), text)

    @property
    def generation(self) -> int:
        """Rises whenever a page has to be drawn anew: other contents, or a task that ended."""
        return self.contents.generation + self.tasks.n_ended

    @property
    def active(self) -> str:
        """Label of the model in view, empty where there is none."""
        return self.memory.active

    def label_in(self, contents: Contents) -> str:
        """Label of the model to show of these contents: the one in view, or the newest where that is not here yet."""
        return self.active if self.active in contents.models else next(reversed(list(contents.models)), "")

    @property
    def is_provisional(self) -> bool:
        """Whether the ranking will give way to a model's: none is there, and there will be or might be one."""
        now = self.contents
        return not now.models and (now.provisional is not None or self.tasks.any_running())

    def drop_embeddings(self) -> None:
        """Another encoder comes: what was made of the last one's embeddings goes."""
        made_of_them = ("embeddings", "encoder", "faults", "provisional", "stopped", "relations", "elsewhere")
        gone: dict[str, Any] = dict.fromkeys(made_of_them)
        self.update(models={}, **gone)
        self.remember(active="", percentiles={}, encoder=None, n_flagged=None)

    def change_plan(self, plan: Plan) -> bool:
        """What the next walk is to do; returns whether that is new. The same encoder's embeddings stay in use."""
        earlier = self.memory.plan
        same_encoder = (plan.encoder, plan.weights_file) == (earlier.encoder, earlier.weights_file)
        plan = replace(plan, encoder_id=earlier.encoder_id if same_encoder else "")
        self.remember(plan=plan)
        return plan != earlier

    def add_model(self, label: str, scored: ScoredLoops, *, in_view: bool = True, restored: bool = False) -> str:
        """Take a fitted model, by its label, or with the time where another model has it; returns the label.

        `restored`: it is the saved one of this label.
        """
        with self.lock:
            saved = () if restored else (name for name, it in self.memory.models.items() if Path(it.path).is_dir())
            label = free_label(label, {*self.contents.models, *saved})
            self.update(models={**self.contents.models, label: scored}, provisional=None)
        if in_view or not self.active:
            self.show_model(label)
        return label

    def drop_models(self, labels: set[str]) -> None:
        """Forget models, never the one in view."""
        with self.lock:
            kept = {label: m for label, m in self.contents.models.items() if label not in labels - {self.active}}
            self.update(models=kept)

    def show_model(self, label: str) -> None:
        """Make a model the one in view."""
        self.remember(active=label, n_flagged=self.n_flagged(label))

    def set_percentile(self, label: str, percentile: float) -> None:
        """Move a model's threshold, as a percentile of its training scores, 0 to 100."""
        if self.percentile_of(label) != percentile:
            self.remember(percentiles=self.memory.percentiles | {label: percentile})
            self.remember(n_flagged=self.n_flagged(self.active))

    def percentile_of(self, label: str) -> float:
        """The threshold of a model, as a percentile of its training scores."""
        return self.memory.percentiles.get(label, DEFAULT_PERCENTILE)

    def n_flagged(self, label: str) -> int | None:
        """How many loops a model flags at its threshold; None for a model that is not here."""
        return self.contents.n_flagged(label, self.percentile_of(label))

    def view(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives for this key; the last few are kept, for all tabs."""
        with self.lock:
            if key not in self._views:
                self._views[key] = make()
            self._views.move_to_end(key)
            while len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
            return self._views[key]

    def kept_views(self) -> list[Any]:
        """Those that `view` still holds, oldest first."""
        with self.lock:
            return list(self._views.values())

    def interrupt(self) -> None:
        """The server stops: its work ends, and goes on when the project is opened again."""
        self.is_interrupted = True
        self.tasks.cancel_all()

    def close(self) -> None:
        """The project is forgotten: its work ends, and nothing is written any more."""
        self.tasks.cancel_all()
        self._store = None
