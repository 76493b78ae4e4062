"""Event files say what the record says, read back by TensorBoard itself."""

import dataclasses
import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from harness.driver import event_files
from harness.files import write
from harness.results import CurvePoint, trace
from tests.report.example import _record, pair

SCORE = "fid_digits_100"


@pytest.fixture
def record():
    made = _record("linear", "linear", "confirm", 3, 4.5, lost=False, points=2)
    curve = tuple(
        CurvePoint(100 * (at + 1), pair(1e-3 / (at + 1), 2e-3), pair(0.25, float("nan")), {SCORE: 4.5 + at}, 5.0 * at)
        for at in range(2)
    )
    return dataclasses.replace(made, curve=curve, last_step=200)


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (255, 0, 0)).save(buffer, "png")
    return buffer.getvalue()


def test_tensorboard_reads_back_what_the_record_holds(record, tmp_path):
    write(tmp_path / "samples" / f"{record.run}-ema.png", picture())
    event_files.write(tmp_path / "board", [record], samples=tmp_path / "samples")
    event_files.write(tmp_path / "board", [record], samples=tmp_path / "samples")  # again: no event twice
    found = EventAccumulator(str(tmp_path / "board" / record.run)).Reload()
    assert [(e.step, e.value) for e in found.Scalars(f"score/{SCORE}")] == [(100, 4.5), (200, 5.5)]
    assert [e.value for e in found.Scalars("rate/generator")] == pytest.approx([1e-3, 5e-4])
    assert found.Scalars("loss/generator")[0].value == 0.25
    assert "loss/discriminator" not in found.Tags()["scalars"]  # not a number
    assert found.Tags()["images"] == ["samples/ema"]
    image = found.Images("samples/ema")[0]
    assert (image.step, image.width, image.height, image.encoded_image_string) == (200, 6, 4, picture())
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["schedule"].string_value == "linear"
    assert settings["peak"].number_value == record.params["peak"]


def test_losses_and_rates_have_the_density_of_the_trace_and_scores_that_of_evaluations(record, tmp_path):
    points = [trace.point(step, rates=pair(1e-3, 2e-3), losses=pair(step / 10, 1.0)) for step in range(50, 201, 50)]
    event_files.write(tmp_path, [dataclasses.replace(record, trace=trace.pack(points))], samples=tmp_path)
    found = EventAccumulator(str(tmp_path / record.run)).Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss/generator")] == [(50, 5), (100, 10), (150, 15), (200, 20)]
    assert [e.wall_time for e in found.Scalars("loss/generator")] == [0.0, 0.0, 2.5, 5.0]  # evaluated at 0 and 5 s
    assert [e.step for e in found.Scalars("rate/discriminator")] == [50, 100, 150, 200]
    assert [e.step for e in found.Scalars(f"score/{SCORE}")] == [100, 200]


def test_writing_events_loads_no_tensorflow():
    probe = (
        "import sys; from pathlib import Path; from harness.driver import event_files; event_files.check(Path('.'))\n"
        "from tensorboard.summary.writer.record_writer import RecordWriter; print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.plugins.hparams.summary_v2", None)
    with pytest.raises(event_files.TensorBoardFault, match="install the extra 'tensorboard'"):
        event_files.check(Path())


def test_a_folder_that_cannot_be_one_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    event_files.check(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            event_files.TensorBoardFault, match=r"--tensorboard is .*file; allowed is a folder|is a file; allowed"
        ):
            event_files.check(path)
