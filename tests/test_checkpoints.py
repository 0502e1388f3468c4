"""Weights: taken only when whole and right, kept once, never by running code of theirs; one sentence when it fails."""

import errno
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from loopscope.checkpoints import (
    AISFX,
    CHECKPOINTS,
    CLAP_FUSION,
    CLAP_MUSIC,
    downloading,
    fetch,
    is_ready,
    load_weights,
    stored,
)
from loopscope.checkpoints.__main__ import main
from loopscope.encoders.base import load_encoder
from loopscope.encoders.catalogue import ENCODERS
from loopscope.errors import Cancelled, EncoderError, WeightsError
from loopscope.files import file_sha256
from loopscope.progress import Progress, ignore_progress
from tests.model_hub import Hub, asked_for, published_file, running_hub, tensors


class Malicious:
    """A pickle that would write a file if it were run."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.victim}",)


def sentence(error: pytest.ExceptionInfo[WeightsError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_only_the_encoders_tensors_are_kept_and_the_file_is_read_once(tmp_path: Path) -> None:
    source = published_file(tmp_path / "clap.pt", best=np.float64(0.5), step=np.int64(3), optimizer={"state": {}})
    weights = load_weights(CLAP_FUSION, source)
    assert sorted(weights.tensors) == sorted(CLAP_FUSION.signature)
    kept = CLAP_FUSION.stored.stat().st_mtime_ns
    load_weights(CLAP_FUSION, source)
    source.unlink()
    assert load_weights(CLAP_FUSION).sha256 == weights.sha256
    assert CLAP_FUSION.stored.stat().st_mtime_ns == kept
    assert [path.name for path in CLAP_FUSION.stored.parent.iterdir()] == [CLAP_FUSION.stored.name]


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_has_the_digest_is_what_is_read_whatever_takes_its_place(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / f"clap{suffix}"
    if suffix == ".pt":
        published_file(source)
    else:
        save_file(tensors(CLAP_FUSION, "audio_branch."), source)
    expected, sha256_of = file_sha256(source), stored.file_sha256

    def replaced_then(path: Path) -> str:
        found = sha256_of(path)
        source.unlink()
        source.write_bytes(b"another")
        return found

    monkeypatch.setattr(stored, "file_sha256", replaced_then)
    weights = load_weights(CLAP_FUSION, source)
    assert sorted(weights.tensors) == sorted(CLAP_FUSION.signature)
    assert stored.digests(CLAP_FUSION)["source_sha256"] == expected


@pytest.mark.parametrize("prefix", ["module.audio_branch.", "audio_branch.", ""])
def test_the_digest_is_that_of_the_tensors_whatever_file_holds_them(tmp_path: Path, prefix: str) -> None:
    expected = load_weights(CLAP_FUSION, published_file(tmp_path / "clap.pt")).sha256
    state = tensors(CLAP_FUSION, prefix)
    if not prefix:  # then nothing tells the audio branch's tensors from others
        state = {name: tensor for name, tensor in state.items() if name in CLAP_FUSION.signature}
    save_file(state, tmp_path / "clap.safetensors")
    assert load_weights(CLAP_FUSION, tmp_path / "clap.safetensors").sha256 == expected
    torch.save(state, tmp_path / "bare.pt", _use_new_zipfile_serialization=False)
    assert load_weights(CLAP_FUSION, tmp_path / "bare.pt").sha256 == expected


def test_another_file_replaces_the_kept_weights(tmp_path: Path) -> None:
    first = load_weights(CLAP_FUSION, published_file(tmp_path / "a.pt"))
    torch.save(tensors(CLAP_FUSION, CLAP_FUSION.prefix, seed=1), tmp_path / "b.pt")
    second = load_weights(CLAP_FUSION, tmp_path / "b.pt")
    assert first.sha256 != second.sha256
    assert load_weights(CLAP_FUSION).sha256 == second.sha256


def test_a_sibling_models_file_is_refused_and_leaves_the_kept_weights(tmp_path: Path) -> None:
    kept = load_weights(CLAP_FUSION, published_file(tmp_path / "right.pt"))
    music = published_file(tmp_path / "music.pt", CLAP_MUSIC)
    with pytest.raises(WeightsError) as error:
        load_weights(CLAP_FUSION, music)
    assert CLAP_FUSION.filename in sentence(error)
    assert load_weights(CLAP_FUSION).sha256 == kept.sha256


def test_damaged_and_foreign_files_are_one_sentence_each(tmp_path: Path) -> None:
    whole = published_file(tmp_path / "whole.pt").read_bytes()
    victim = tmp_path / "victim"
    contents = {
        "half.pt": whole[: len(whole) // 2],
        "empty.pt": b"",
        "page.pt": b"<html>401</html>",
        "half.safetensors": b"\x10\0\0\0\0\0\0\0{}",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"state_dict": Malicious(victim)}, tmp_path / "malicious.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in (*contents, "malicious.pt", "list.pt", "absent.pt"):
        with pytest.raises(WeightsError) as error:
            load_weights(CLAP_FUSION, tmp_path / name)
        assert name in sentence(error)
    assert not victim.exists()
    assert not CLAP_FUSION.stored.exists()


def recompressed(path: Path) -> Path:
    """The same zip archive with its parts compressed."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as out:
        for name in archive.namelist():
            out.writestr(name, archive.read(name))
    return path.with_suffix(".zip").rename(path)


def with_one_more(path: Path, tensor: torch.Tensor, name: str = "module.audio_branch.more") -> Path:
    torch.save(tensors(CLAP_FUSION, CLAP_FUSION.prefix) | {name: tensor}, path)
    return path


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as out:
        out.truncate(size)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def a_pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


BAD: dict[str, Callable[[Path], Path]] = {
    "a folder": lambda home: home,
    "a pipe": lambda home: a_pipe(home / "clap.pt"),
    "nobody's home": lambda home: Path("~nobody-of-that-name/clap.pt"),
    "a NUL": lambda home: home / "a\0b.pt",
    "a name that is too long": lambda home: home / ("a" * 5_000 + ".pt"),
    "a folder that is a file": lambda home: written(home / "a.pt", b"") / "clap.pt",
    "a terabyte": lambda home: sparse(home / "clap.pt", 2**40),
    "text that is called a wheel": lambda home: written(home / "clap.whl", b"text"),
    "a wheel of another project": lambda home: wheel_with(home / "clap.whl", b"text"),
    "a zip of text": lambda home: wheel_with(home / "clap.pt", b"text"),
    "compressed parts": lambda home: recompressed(published_file(home / "clap.pt")),
    "a number for a state": lambda home: saved(home / "clap.pt", {"state_dict": 5}),
    "an empty tuple": lambda home: saved(home / "clap.pt", ()),
    "a pickle that never ends": lambda home: written(home / "clap.pt", b"\x80\x02" + b"(" * 10**6),
    "a pickle of 2 GB of text": lambda home: written(home / "clap.pt", b"\x80\x02X\xff\xff\xff\x7f"),
    "a view of 400 GB": lambda home: with_one_more(home / "clap.pt", torch.zeros(1).expand(10**5, 10**6)),
    "NaN": lambda home: with_one_more(home / "clap.pt", torch.tensor([float("nan")])),
    "complex numbers": lambda home: with_one_more(home / "clap.pt", torch.zeros(2, dtype=torch.complex64)),
    "a sparse tensor": lambda home: with_one_more(home / "clap.pt", torch.eye(3).to_sparse()),
    "a tensor without content": lambda home: with_one_more(home / "clap.pt", torch.zeros(3, device="meta")),
    "a name that is no text": lambda home: with_one_more(
        home / "clap.pt", torch.zeros(1), "module.audio_branch.\ud800"
    ),
    "names of a terabyte": lambda home: written(home / "clap.safetensors", b"\xff\xff\xff\xff\xff\0\0\0{}"),
    "an unknown kind of number": lambda home: written(
        home / "clap.safetensors",
        (55).to_bytes(8, "little") + b'{"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}' + bytes(16),
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BAD)
def test_whatever_is_given_as_weights_is_one_sentence(kind: str, tmp_path: Path) -> None:
    file = BAD[kind](tmp_path)
    with pytest.raises(WeightsError) as error:
        load_weights(CLAP_FUSION, file)
    assert len(sentence(error)) < 400 + len(str(file))
    assert not CLAP_FUSION.stored.exists()


def test_compressed_parts_are_refused_before_any_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(WeightsError, match="its parts are compressed"):
        load_weights(CLAP_FUSION, recompressed(published_file(tmp_path / "clap.pt")))


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "pickle"])
def test_damaged_bytes_of_a_checkpoint_are_one_sentence_or_do_no_harm(tmp_path: Path, as_zip: bool) -> None:
    path = tmp_path / "clap.pt"
    own = {name: torch.zeros(1).expand(shape) for name, shape in CLAP_FUSION.signature.items()}  # few bytes
    torch.save({f"{CLAP_FUSION.prefix}{name}": value for name, value in own.items()}, path)
    good = path.read_bytes()
    if not as_zip:
        torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
        good = path.read_bytes()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(
        st.lists(st.tuples(st.integers(0, len(good) - 1), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4)
    )
    def try_one(changes: list[tuple[int, bytes]]) -> None:
        data = bytearray(good)
        for at, content in changes:
            data[at : at + len(content)] = content
        path.write_bytes(data)
        try:
            load_weights(CLAP_FUSION, path)
        except WeightsError as error:
            assert "\n" not in str(error) and str(error).endswith(".")

    try_one()


def test_damaged_kept_weights_are_noticed(tmp_path: Path) -> None:
    load_weights(CLAP_FUSION, published_file(tmp_path / "clap.pt"))
    content = CLAP_FUSION.stored.read_bytes()
    CLAP_FUSION.stored.write_bytes(content[:-100])
    with pytest.raises(WeightsError) as error:
        load_weights(CLAP_FUSION)
    assert "delete" in sentence(error)


def test_incomplete_weights_do_not_fill_a_network(tmp_path: Path) -> None:
    published_file(tmp_path / "few.pt")
    with pytest.raises(WeightsError) as error:
        load_encoder("clap-fusion", tmp_path / "few.pt")
    assert "do not fit" in sentence(error)


def wheel_with(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(AISFX.filename, content)
    return path


def test_a_wheel_is_checked_before_it_is_opened_and_after(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save((tensors(AISFX, AISFX.prefix), {"a": (0, 1)}), buffer)
    wheel = wheel_with(tmp_path / "aisfx.whl", buffer.getvalue())
    with pytest.raises(WeightsError) as error:
        load_weights(AISFX, wheel)
    assert "sha256" in sentence(error)
    right_wheel = replace(AISFX, wheel_sha256=file_sha256(wheel))
    with pytest.raises(WeightsError, match="sha256"):
        load_weights(right_wheel, wheel)
    (tmp_path / "inner").write_bytes(buffer.getvalue())
    right = replace(right_wheel, sha256=file_sha256(tmp_path / "inner"))
    assert sorted(load_weights(right, wheel).tensors) == sorted(AISFX.signature)


def test_the_real_weights_are_in_place_after_fetching(
    fetched_aisfx: Path, aisfx_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fetched_aisfx.stat().st_mtime_ns
    assert main(["aisfx"]) == 0
    assert "are in place" in capsys.readouterr().out
    assert fetched_aisfx.stat().st_mtime_ns == before


def test_a_failed_download_is_one_sentence_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nowhere").as_uri())
    assert main(["aisfx"]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "aisfx==0.1.2" in message
    assert not AISFX.stored.exists()


def test_pip_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(WeightsError) as error:
        fetch(AISFX)
    assert "600 s" in sentence(error)


@pytest.fixture
def unreachable_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def test_auto_takes_aisfx_and_says_so_and_asks_nobody(aisfx_weights: object, hub: type[Hub]) -> None:
    encoder = load_encoder("auto")
    assert encoder.encoder_id.startswith("aisfx")
    assert "CLAP" in encoder.notice
    assert "loopscope.checkpoints clap-fusion" in encoder.notice
    assert "\n" not in encoder.notice
    assert not is_ready(CLAP_FUSION)
    assert not hub.requests


@pytest.mark.usefixtures("unreachable_hub")
def test_offline_clap_is_refused_with_the_ways_out() -> None:
    with pytest.raises(WeightsError) as error:
        load_encoder("clap-music")
    assert CLAP_MUSIC.filename in sentence(error)
    assert "aisfx" in sentence(error)


def test_a_hub_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading.ask, "__defaults__", (False, 0.3))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(WeightsError, match=r"(does not answer|timed out); check the network"):
            fetch(CLAP_FUSION, mirror=f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Hub]]:
    with running_hub(monkeypatch, tmp_path) as hub:
        yield hub


def stop_at(n_bytes: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.done > n_bytes:
            raise Cancelled("Somebody cancelled.")

    return report


def left_over() -> list[str]:
    """What lies beside the kept weights, but for the lock."""
    folder = CLAP_FUSION.stored.parent
    return [p.name for p in folder.rglob("*") if p != CLAP_FUSION.stored and p.suffix != ".lock"]


def test_weights_come_from_the_hub_once_with_progress(hub: type[Hub]) -> None:
    assert not is_ready(CLAP_FUSION)
    reports: list[Progress] = []
    weights = load_weights(CLAP_FUSION, on_progress=reports.append)
    assert sorted(weights.tensors) == sorted(CLAP_FUSION.signature)
    counted = [report for report in reports if report.unit == "bytes"]
    assert counted[-1].done == counted[-1].total == len(hub.content)
    assert is_ready(CLAP_FUSION)
    n_requests = len(hub.requests)
    load_weights(CLAP_FUSION)
    assert len(hub.requests) == n_requests
    assert not left_over()


def test_a_file_in_the_hubs_own_cache_is_not_downloaded_again(hub: type[Hub]) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(CLAP_FUSION.repository, CLAP_FUSION.filename)
    n_requests = len(hub.requests)
    assert is_ready(CLAP_FUSION)
    load_weights(CLAP_FUSION)
    assert len(hub.requests) == n_requests


def test_an_interrupted_download_goes_on_where_it_was(hub: type[Hub]) -> None:
    hub.breaks_after = 11_000_000
    load_weights(CLAP_FUSION)
    assert asked_for(hub) == ["", "bytes=11000000-"]


def test_a_stopped_download_goes_on_where_it_was(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    with pytest.raises(Cancelled):
        fetch(CLAP_FUSION, stop_at(5_000_000))
    here = downloading.bytes_here(CLAP_FUSION)
    assert 5_000_000 < here < len(hub.content)
    assert not is_ready(CLAP_FUSION)
    load_weights(CLAP_FUSION)
    assert asked_for(hub) == ["", f"bytes={here}-"]
    assert not left_over()


def cancel_while_checking(_: pytest.MonkeyPatch) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.stage.startswith("Checking"):
            raise Cancelled("Somebody cancelled.")

    return report


def interrupt_while_writing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Progress], None]:
    monkeypatch.setattr(stored, "save_file", Mock(side_effect=KeyboardInterrupt))
    return ignore_progress


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Progress], None]:
    monkeypatch.setattr(stored, "save_file", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    return ignore_progress


@pytest.mark.parametrize("how", [cancel_while_checking, interrupt_while_writing, fill_the_disk])
def test_what_arrived_whole_outlives_an_interrupted_conversion(
    hub: type[Hub], how: Callable[[pytest.MonkeyPatch], Callable[[Progress], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as for_now, pytest.raises((Cancelled, KeyboardInterrupt, WeightsError)):
        fetch(CLAP_FUSION, how(for_now))
    assert downloading.bytes_here(CLAP_FUSION) == len(hub.content)
    load_weights(CLAP_FUSION)
    assert asked_for(hub) == [""]
    assert not left_over()


def test_a_server_without_ranges_sends_all_again(hub: type[Hub]) -> None:
    hub.breaks_after, hub.knows_ranges, hub.tag = 11_000_000, False, hashlib.sha256(hub.content).hexdigest()
    load_weights(CLAP_FUSION)
    assert asked_for(hub) == ["", "bytes=11000000-"]
    assert not left_over()


def test_another_version_of_the_file_is_not_appended_to_the_first(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    with pytest.raises(Cancelled):
        fetch(CLAP_FUSION, stop_at(5_000_000))
    hub.tag = "another"
    load_weights(CLAP_FUSION)
    assert asked_for(hub) == ["", ""]
    assert not left_over()


@pytest.mark.parametrize(("tag", "goes_on"), [("", False), ("a-tag", False), ("its digest", True)])
def test_bytes_of_two_servers_meet_only_under_one_digest(
    hub: type[Hub], tmp_path: Path, tag: str, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    hub.tag = hashlib.sha256(hub.content).hexdigest() if goes_on else tag
    with pytest.raises(Cancelled):
        fetch(CLAP_FUSION, stop_at(5_000_000))
    with running_hub(monkeypatch, tmp_path) as mirror:
        mirror.content, mirror.tag = hub.content, hub.tag
        fetch(CLAP_FUSION, mirror=mirror.address)
        assert [bool(wanted) for wanted in asked_for(mirror)] == [goes_on]


def test_without_a_tag_nothing_is_gone_on_with(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    hub.tag = ""
    with pytest.raises(Cancelled):
        fetch(CLAP_FUSION, stop_at(5_000_000))
    assert not downloading.bytes_here(CLAP_FUSION)
    fetch(CLAP_FUSION)
    assert asked_for(hub) == ["", ""]
    assert not left_over()


def test_a_server_that_sends_nothing_costs_nothing_of_what_another_sent(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    with pytest.raises(Cancelled):
        fetch(CLAP_FUSION, stop_at(5_000_000))
    here = downloading.bytes_here(CLAP_FUSION)
    with monkeypatch.context() as elsewhere, pytest.raises(WeightsError, match="404"):
        elsewhere.setattr(hub, "tag", "another")
        elsewhere.setattr(hub, "do_GET", lambda self: self.send_error(404))
        fetch(CLAP_FUSION)
    load_weights(CLAP_FUSION)
    assert asked_for(hub) == ["", f"bytes={here}-"]
    assert not left_over()


def test_what_another_server_sent_goes_where_its_room_is_needed(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    with pytest.raises(Cancelled):
        fetch(CLAP_FUSION, stop_at(5_000_000))
    other = next(CLAP_FUSION.stored.parent.rglob(CLAP_FUSION.filename))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0 if other.exists() else 10**9))
    hub.tag = "another"
    fetch(CLAP_FUSION)
    assert is_ready(CLAP_FUSION)


def test_a_wrong_checksum_is_one_sentence_and_nothing_is_kept(hub: type[Hub]) -> None:
    hub.tag = "f" * 64
    with pytest.raises(WeightsError) as error:
        load_weights(CLAP_FUSION)
    assert CLAP_FUSION.filename in sentence(error)
    assert "sha256" in sentence(error)
    assert "fetch it again" in sentence(error)
    assert not left_over()
    assert not CLAP_FUSION.stored.exists()


def test_a_digest_known_in_advance_outweighs_what_a_mirror_says(hub: type[Hub]) -> None:
    hub.tag = hashlib.sha256(hub.content).hexdigest()
    with pytest.raises(WeightsError, match="sha256"):
        fetch(replace(CLAP_FUSION, sha256="f" * 64))
    assert not CLAP_FUSION.stored.exists()


@pytest.mark.parametrize("ending", ["", "/", f"/files/{CLAP_FUSION.filename}"])
def test_a_mirror_is_asked_instead_of_the_hub_and_gets_no_token(
    hub: type[Hub], ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://hub.invalid/{repo_id}{revision}{filename}")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    seen: list[str | None] = []
    monkeypatch.setattr(hub, "log_message", lambda self, *_: seen.append(self.headers.get("Authorization")))
    monkeypatch.setenv("LOOPSCOPE_MIRROR", f"{hub.address}{ending}")
    load_weights(CLAP_FUSION)
    path = ending if "files" in ending else f"/{CLAP_FUSION.repository}/resolve/main/{CLAP_FUSION.filename}"
    assert {found for _, found, _ in hub.requests} == {path}
    assert seen and set(seen) == {None}


@pytest.mark.parametrize("mirror", ["models", "file:///etc/passwd", "http://", "http://a:99999/", "https://ü.example"])
def test_what_is_no_mirror_is_one_sentence(mirror: str) -> None:
    with pytest.raises(WeightsError) as error:
        fetch(CLAP_FUSION, mirror=mirror)
    assert "no address of a mirror" in sentence(error)


@pytest.fixture
def fresh_session() -> Iterator[None]:
    """The hub's client takes proxies when it is made."""
    from huggingface_hub.utils import close_session

    close_session()
    yield
    close_session()


@pytest.mark.usefixtures("fresh_session")
def test_a_download_goes_through_the_proxy(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", hub.address)
    fetch(CLAP_FUSION, mirror="http://models.invalid")
    assert is_ready(CLAP_FUSION)
    assert all(path.startswith("http://models.invalid/") for _, path, _ in hub.requests)


def test_no_network_is_one_sentence_with_the_ways_out() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(WeightsError) as error:
            fetch(CLAP_FUSION, mirror=address)
    for remedy in (CLAP_FUSION.filename, "HTTPS_PROXY", "LOOPSCOPE_MIRROR", "weights file", "aisfx"):
        assert remedy in sentence(error)
    assert not left_over()


def test_a_file_that_the_mirror_has_not_is_one_sentence(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "do_HEAD", lambda self: self.send_error(404))
    with pytest.raises(WeightsError) as error:
        fetch(CLAP_FUSION, mirror=hub.address)
    assert "404" in sentence(error)


def test_too_little_room_is_said_before_anything_is_sent(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50_000_000))
    with pytest.raises(WeightsError) as error:
        fetch(CLAP_FUSION)
    assert "50 MB are free; make room" in sentence(error)
    assert not asked_for(hub)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_disk_that_fills_up_is_one_sentence(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    with pytest.raises(Cancelled):
        fetch(CLAP_FUSION, stop_at(1))
    part = next(CLAP_FUSION.stored.parent.rglob(CLAP_FUSION.filename))
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(WeightsError) as error:
        fetch(CLAP_FUSION)
    assert "The disk is full" in sentence(error)
    assert "make room" in sentence(error)
    assert not CLAP_FUSION.stored.exists()


def test_two_downloads_at_once_are_one(hub: type[Hub]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: fetch(CLAP_FUSION), range(2)))
    assert asked_for(hub) == [""]


def test_a_folder_with_the_published_file_is_taken(tmp_path: Path) -> None:
    published_file(tmp_path / CLAP_FUSION.filename)
    assert sorted(load_weights(CLAP_FUSION, tmp_path).tensors) == sorted(CLAP_FUSION.signature)


def test_without_the_package_auto_takes_aisfx_and_fetches_nothing(
    aisfx_weights: object, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    encoder = load_encoder("auto")
    assert encoder.encoder_id.startswith("aisfx")
    assert "pip install --no-deps laion-clap" in encoder.notice
    assert not hub.requests


def test_unknown_encoders_are_refused_with_the_known_ones() -> None:
    with pytest.raises(EncoderError, match="clap-fusion"):
        load_encoder("vggish")
    assert [info.name for info in ENCODERS][:3] == ["clap-fusion", "clap-music", "aisfx"]


def test_an_encoder_without_weights_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CHECKPOINTS, "aisfx")
    assert {info.name: info.ready for info in ENCODERS}["aisfx"]


def test_the_command_runs_as_make_install_does(aisfx_weights: Path) -> None:
    command = [sys.executable, "-m", "loopscope.checkpoints", "aisfx"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
