"""The command `loopscope`: what it says where, and that every example in its help can be typed."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import click
import pandas as pd
import pytest
import soundfile as sf
from streamlit.runtime.scriptrunner import StopException

from loopscope import __version__
from loopscope.analysis.scoring import fit_detector
from loopscope.cli import app as app_command
from loopscope.cli.main import commands, main
from loopscope.config import FOLDER_VARIABLE
from loopscope.detection.registry import LOCAL, PAPER, ROBUST, detector_names
from loopscope.detection.saved import save_model
from loopscope.embeddings import embed_library
from loopscope.encoders.catalogue import ENCODERS
from loopscope.library import scan_folder
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.registry import ProjectRegistry
from tests.golden.clips import plucked
from tests.test_pages import start, state_of
from tests.tiny import Tiny

ROOT = Path(__file__).resolve().parents[1]
N_LOOPS, RATE = 12, 8000
LARGE = ("torch", "numpy", "pandas", "streamlit", "librosa", "sklearn", "rich")
EXAMPLES = [
    (name, example.strip())
    for name, command in commands.commands.items()
    for example in re.findall(r"^ *(loopscope.*)$", (command.help or "").partition("Examples:")[2], re.MULTILINE)
]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with the folder that the examples name, in which they run; the server only notes what it was given."""
    folder = tmp_path / "Music" / "Loops"
    folder.mkdir(parents=True)
    for number in range(N_LOOPS):
        sf.write(folder / f"Bass_{90 + number}bpm.wav", plucked(0.5, RATE, seed=number), RATE)
    (tmp_path / "loopscope.toml").write_text("ignore = ['hum']\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield folder


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path | None, list[str]]]:
    """What the server would have been started with."""
    starts: list[tuple[Path | None, list[str]]] = []
    start = SimpleNamespace(serve=lambda folder, options: starts.append((folder, list(options))))
    monkeypatch.setitem(sys.modules, "loopscope.ui.server.start", start)
    return starts


@pytest.fixture
def quick(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder and the detector cost nothing, and there is a saved model."""
    for module in ("packs.check", "analysis.pipeline", "encoders.base"):
        monkeypatch.setattr(f"loopscope.{module}.load_encoder", lambda name, **_: Tiny())
    knn = partial(fit_detector, detector="knn")
    for module in ("packs.check", "analysis.pipeline"):
        monkeypatch.setattr(f"loopscope.{module}.fit_detector", lambda loops, *named, **options: knn(loops, **options))
    save_model(knn(embed_library(scan_folder(studio), Tiny())).detector, "house", {})


def words(example: str) -> list[str]:
    """As a shell hands them over, without the program's name."""
    return [str(Path(word).expanduser()) if word.startswith("~") else word for word in shlex.split(example)][1:]


def test_every_command_has_examples() -> None:
    assert {name for name, _ in EXAMPLES} == set(commands.commands)


@pytest.mark.parametrize("name", list(commands.commands))
def test_every_example_of_the_help_runs(
    name: str, studio: Path, served: list[object], quick: None, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """In their order, as later ones may take up what earlier ones wrote; with an encoder and a model that are quick."""
    for example in (example for of, example in EXAMPLES if of == name):
        assert main(words(example)) in (0, 1), example
        said, errors = capfdbinary.readouterr()
        assert errors == b"", f"{example}: {errors.decode()}"
        if "--json" in example:
            json.loads(said)


def test_every_command_in_the_readme_runs(
    studio: Path, served: list[object], quick: None, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    lines = [line.partition("#")[0] for block in blocks for line in block.splitlines()]
    examples = [line for line in lines if line.split()[:1] == ["loopscope"]]
    assert len(examples) > 5 and f"build/loopscope-{__version__}-py3" in readme
    (rules,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    Path("loopscope.toml").write_text(rules, encoding="utf-8")
    for example in examples:
        assert main(words(example)) in (0, 1), example
        assert capfdbinary.readouterr()[1] == b"", example


def test_help_and_version_load_nothing_large() -> None:
    look = "import sys; from loopscope.cli.main import main; main(sys.argv[1:2]); "
    look += "print([name for name in sys.argv[2:] if name in sys.modules])"
    for option in ("--help", "--version"):
        command = [sys.executable, "-c", look, option, *LARGE]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.splitlines()[-1] == "[]", done.stdout
        assert "loopscope" in done.stdout.splitlines()[0]


def test_the_version_is_the_packages_and_that_of_its_tag(capfd: pytest.CaptureFixture[str]) -> None:
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {tag for tag in tags.stdout.split() if re.match(r"v\d", tag)} <= {f"v{__version__}"}
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"loopscope {__version__}\n"
    assert f"\n## {__version__} · " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), "it has its own heading"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command 'nonsense'. See loopscope --help."),
        (["models", "--nonsense"], "No such option '--nonsense'"),
        (["app", "--server.port=1", "one", "two"], "There are two folders, 'one' and 'two'; name one."),
        (["app", "no such folder"], "There is no folder 'no such folder'; check the spelling."),
        (["app", os.fsdecode(b"caf\xe9")], r"There is no folder 'caf\udce9'; check the spelling."),
    ],
)
def test_what_cannot_be_done_is_one_sentence_on_the_error_stream(
    arguments: list[str], says: str, served: list[object], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said, errors = capfd.readouterr()
    assert said == ""
    assert errors.startswith("loopscope: ") and says in errors and errors.count("\n") == 1


def test_a_defect_is_a_sentence_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise TypeError("no one\nthought of this")

    monkeypatch.setattr("loopscope.detection.saved.list_models", fail)
    assert main(["models"]) == 2
    errors = capfd.readouterr().err
    assert errors.startswith("loopscope: ") and "TypeError, no one thought of this" in errors


def test_a_reader_that_has_gone_is_no_finding() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "loopscope", "check", "--list-kinds"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_error_steers_no_terminal(
    studio: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    models = pd.DataFrame({"name": ["\x1b[31m\x9b\u202e 👩\u200d🎤"], "path": ["nowhere"]})
    monkeypatch.setattr("loopscope.detection.saved.list_models", lambda: models)
    assert main(["check", str(studio), "--model", "another"]) == 2
    errors = capfd.readouterr().err
    assert r"\x1b[31m\x9b\u202e" in errors and "👩\u200d🎤" in errors
    assert not set(errors) & {"\x1b", "\x9b", "\u202e"}


@pytest.mark.parametrize(
    ("arguments", "folder", "options"),
    [
        ([], None, []),
        (["--server.port", "8600"], None, ["--server.port", "8600"]),
        (["app"], None, []),
        (["app", "--server.port", "8600"], None, ["--server.port", "8600"]),
        (["app", "Music/Loops"], Path("Music/Loops"), []),
        (["app", "Music/Loops", "--server.port=8600"], Path("Music/Loops"), ["--server.port=8600"]),
        (["app", "--server.port=8600", "Music/Loops"], Path("Music/Loops"), ["--server.port=8600"]),
        (["app", "--server.port", "8600", "Music/Loops"], Path("Music/Loops"), ["--server.port", "8600"]),
    ],
)
def test_the_app_gets_its_folder_and_streamlit_its_options(
    arguments: list[str], folder: Path | None, options: list[str], studio: Path, served: list[object]
) -> None:
    assert main(arguments) == 0
    assert served == [(folder, options)]


def test_a_new_tab_shows_the_folder_that_the_command_named_once(
    studio: Path, monkeypatch: pytest.MonkeyPatch, loopscope_home: Path
) -> None:
    walks: list[object] = []
    monkeypatch.setattr("loopscope.ui.views.library.start_walk", lambda *given, **options: walks.append(given))
    monkeypatch.setenv(FOLDER_VARIABLE, str(studio))
    at = start()
    assert not at.exception and state_of(at).project.folder == studio
    at.run()
    assert len(walks) == 1, "only once: the next folder is the user's to choose"


@pytest.mark.parametrize("moment", ["started", "entered"])
def test_a_first_run_that_ends_in_the_middle_leaves_the_next_one_to_show_the_walk(
    studio: Path, monkeypatch: pytest.MonkeyPatch, loopscope_home: Path, moment: str
) -> None:
    """Streamlit ends it where the connection is lost for a moment: the walk went on, and no tab showed it for good."""
    ends: list[str] = []

    def walk(project: Project, *_: object, **__: object) -> object:
        if moment == "started" and not ends:
            ends.append(moment)
            raise StopException
        return project.tasks.start("walk", "Analysing", lambda task: never.wait(60))

    def enter(self: ProjectRegistry, visitor: str, project: Project) -> None:
        if moment == "entered" and not ends:
            ends.append(moment)
            raise StopException

    never = threading.Event()
    monkeypatch.setattr("loopscope.ui.views.library.start_walk", walk)
    monkeypatch.setattr(ProjectRegistry, "enter", enter)
    monkeypatch.setenv(FOLDER_VARIABLE, str(studio))
    at = start()
    assert ends == [moment]
    at.run()
    state = state_of(at)
    assert not at.exception and state.project.folder == studio and state.follows
    assert state.project.tasks.running("walk") and "No folder chosen yet" not in str(at.main)
    assert "path" not in [field.key for field in at.text_input], "no first screen"
    never.set()


def test_a_stranger_does_not_get_the_folder_that_the_command_named(
    studio: Path, monkeypatch: pytest.MonkeyPatch, loopscope_home: Path
) -> None:
    monkeypatch.setattr("loopscope.ui.state.owner", lambda: "browser:" + 32 * "x")
    monkeypatch.setenv(FOLDER_VARIABLE, str(studio))
    at = start()
    assert not at.exception and not state_of(at).project.id


def test_without_the_app_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app_command, "NEEDED", "no_such_module")
    assert main([]) == 2
    assert "pip install 'loopscope[app]'" in capfd.readouterr().err


def test_doctor_says_what_is_wrong_and_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], loopscope_home: Path
) -> None:
    monkeypatch.setattr("loopscope.cli.doctor.shutil.disk_usage", lambda place: SimpleNamespace(free=1e12))
    assert main(["doctor"]) == 0
    assert "torch" in capfd.readouterr().out
    with monkeypatch.context() as patched:
        for missing in ("librosa", "sklearn", "scipy"):
            patched.setitem(sys.modules, missing, None)
        assert main(["doctor", "--json"]) == 1
    wrong = [one["what"] for one in json.loads(capfd.readouterr().out)["findings"] if not one["ok"]]
    assert wrong == ["librosa", "scikit-learn", "SciPy"]
    (loopscope_home / "data" / "loopscope.sqlite3").unlink()
    (loopscope_home / "data" / "loopscope.sqlite3").mkdir()
    assert main(["doctor", "--json"]) == 1
    report = json.loads(capfd.readouterr().out)
    assert not report["ok"] and [one["what"] for one in report["findings"] if not one["ok"]] == ["Database"]


def test_click_prints_an_example_a_line() -> None:
    """Without the mark that keeps its lines a list of examples is set as one paragraph."""
    for name, command in commands.commands.items():
        shown = command.get_help(click.Context(command, info_name=f"loopscope {name}"))
        for example in (example for of, example in EXAMPLES if of == name):
            assert re.search(rf"^ +{re.escape(example)}$", shown, re.MULTILINE), shown


def test_the_help_names_every_encoder_detector_and_preset() -> None:
    command = commands.commands["analyse"]
    shown = command.get_help(click.Context(command, info_name="loopscope analyse"))
    for name in (*(info.name for info in ENCODERS), *detector_names(), LOCAL, ROBUST, PAPER):
        assert re.search(rf"\b{name}\b", shown), name
