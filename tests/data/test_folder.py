"""A folder of anyone's images: one rule for what is read, everything else counted, pixels as Pillow's convert("RGB")."""

import io
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness import data
from harness.data import DataError, folder, pictures
from harness.data.pictures import ENDINGS


def settings(path, **changes):
    values = {"size": 8, "channels": None, "fit": "resize", "held_out": 0.2, "limit": None}
    return SimpleNamespace(name="folder", data_dir=path, **{**values, **changes})


def draw(path, value=0, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value // 2, 255 - value)).save(path)
    return path


def names(found):
    return [path.relative_to(found.folder).as_posix() for path in found.paths]


# Which files are images


@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if ending not in (".avif", ".jp2", ".j2k")])
def test_every_ending_of_the_rule_is_read_in_either_case(ending, tmp_path):
    kind = {".dib": "DIB", ".apng": "PNG", ".pnm": "PPM", ".jfif": "JPEG", ".pbm": "PPM"}.get(ending)
    mode = "1" if ending == ".pbm" else "L"
    for name in (f"one{ending}", f"two{ending.upper()}"):
        Image.new(mode, (9, 7), 255).save(tmp_path / name, **({"format": kind} if kind else {}))
    found = folder.survey(tmp_path)
    assert (len(found.paths), found.skipped) == (2, {})
    assert found.sizes == ((7, 9), (7, 9))
    assert all((picture.pixels > 250).all() for picture in found.read(upright=False))


def test_the_docs_state_the_rules_endings_and_no_others():
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    rule = text.split("- **Read** is every file")[1].split("in capitals or")[0]
    assert re.findall(r"`(\.\w+)`", rule) == list(ENDINGS)


def test_content_says_how_a_file_is_decoded(tmp_path):
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "a.jpg", format="PNG")
    assert (pictures.read(tmp_path / "a.jpg", upright=True).pixels == (9, 8, 7)).all()


def test_postscript_is_not_run_whatever_it_is_called(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    with pytest.raises(DataError, match=r"a\.png: cannot be read as an image \(no picture that Pillow knows\)"):
        _ = folder.survey(tmp_path).sizes


def test_the_order_is_that_of_sorted_paths_and_hangs_on_no_machine(tmp_path):
    given = ["a/b.png", "a-c.png", "a.png", "B.PNG", "a/b/c.jpg", "10.png", "9.png", "é.png", "a b/x.jpeg"]
    for name in given:
        draw(tmp_path / name)
    found = folder.survey(tmp_path)
    assert list(found.paths) == sorted(tmp_path.joinpath(name) for name in given)
    assert names(found) == [name.as_posix() for name in sorted(map(type(tmp_path), given))]


def test_a_plain_folder_keeps_its_fingerprint(tmp_path):
    rng = np.random.default_rng(3)
    for place in range(20):
        (tmp_path / f"{place % 3}").mkdir(exist_ok=True)
        image = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        image.save(tmp_path / f"{place % 3}" / f"{place}.png")
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix == ".png")
    expected = data.images.split(
        np.stack([np.asarray(Image.open(path)) for path in files]), None, held_out=0.2, name="folder"
    )
    found = data.load(settings(tmp_path))
    assert found.fingerprint == expected.fingerprint
    assert found.notes == ("20 images",)


def test_what_is_not_read_is_counted_by_kind(tmp_path):
    for name in ("a.png", "b.JPG", ".hidden.png", "._a.png", ".ipynb_checkpoints/a-checkpoint.png", "deep/.x/y/z.png"):
        draw(tmp_path / name)
    draw(tmp_path / "__MACOSX" / "c.png")
    for name in ("notes.txt", "more.TXT", "Thumbs.db", ".DS_Store", "labels", "x.0001", "y.weird ending"):
        (tmp_path / name).write_text("x")
    os.mkfifo(tmp_path / "pipe.png")
    found = folder.survey(tmp_path)
    assert names(found) == ["a.png", "b.JPG"]
    assert found.skipped == {
        "hidden": 6,
        ".txt": 2,
        ".db": 1,
        ".0001": 1,
        "without ending": 2,
        "of special kind": 1,
    }
    assert found.sentence({}).startswith("2 images; skipped: 6 hidden, 2 .txt, 2 without ending, ")


def test_many_kinds_are_summed_up(tmp_path):
    draw(tmp_path / "a.png")
    for place in range(12):
        (tmp_path / f"x.{place:03}").write_text("")
    assert folder.survey(tmp_path).sentence().endswith(", 1 .007, 4 of other kinds")


def test_the_folder_that_is_named_may_itself_be_hidden_or_a_link(tmp_path):
    draw(tmp_path / ".cache" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / ".cache")
    assert names(folder.survey(tmp_path / ".cache")) == names(folder.survey(tmp_path / "link")) == ["a.png"]


# Links


def test_links_to_folders_and_files_are_followed_as_deep_as_they_go(tmp_path):
    draw(tmp_path / "store" / "one" / "a.png")
    draw(tmp_path / "other" / "b.png")
    (tmp_path / "store" / "two").symlink_to(tmp_path / "other")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "class").symlink_to(tmp_path / "store")
    (tmp_path / "set" / "c.png").symlink_to(draw(tmp_path / "elsewhere.dat.png"))
    found = folder.survey(tmp_path / "set")
    assert (names(found), found.skipped) == (["c.png", "class/one/a.png", "class/two/b.png"], {})


@pytest.mark.parametrize("target", [".", "..", "../..", "deep"])
def test_no_link_leads_round_for_ever_and_no_folder_counts_twice(target, tmp_path):
    top = tmp_path / "far" / "top"
    draw(top / "deep" / "a.png")
    draw(tmp_path / "outside.png")
    (top / "link").symlink_to(top / target)
    found = folder.survey(top)
    assert names(found) == ["deep/a.png"]
    assert found.skipped == {"by repeated links" if target == "deep" else "by looping links": 1}


def test_folders_that_link_to_each_other_end(tmp_path):
    folders = [tmp_path / name for name in "abcdefgh"]
    for one in folders:
        draw(one / "x.png")
        for two in folders:
            if one != two:
                (one / two.name).symlink_to(two)
    assert len(folder.survey(tmp_path).paths) == len(folder.survey(tmp_path / "a").paths) == 8


def test_one_folder_by_two_links_counts_once_and_a_copy_of_a_name_is_said(tmp_path):
    draw(tmp_path / "store" / "a.png")
    (tmp_path / "set").mkdir()
    for name in ("x", "y"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "store")
    (tmp_path / "set" / "best.png").symlink_to(tmp_path / "store" / "a.png")
    found = folder.survey(tmp_path / "set")
    assert names(found) == ["x/a.png"]
    assert found.sentence() == "1 image; skipped: 2 by repeated links"


def test_a_store_that_keeps_equal_files_once_counts_by_name_as_a_copy_of_it_would(tmp_path):
    blob = draw(tmp_path / "set" / ".store" / "c0ffee.png")
    for name in ("a.png", "b.png"):
        (tmp_path / "set" / name).symlink_to(blob)
    assert names(folder.survey(tmp_path / "set")) == ["a.png", "b.png"]


def test_links_that_lead_nowhere_and_folders_that_cannot_be_listed_are_refused(tmp_path, monkeypatch):
    draw(tmp_path / "a.png")
    draw(tmp_path / "closed" / "b.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "missing.png")
    (tmp_path / "class").symlink_to(tmp_path / "missing")
    (tmp_path / "ring.png").symlink_to(tmp_path / "ring.png")
    (tmp_path / "readme.txt").symlink_to(tmp_path / "missing.txt")
    (tmp_path / ".#lock").symlink_to(tmp_path / "nobody")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = folder.survey(tmp_path)
    assert found.skipped == {".txt": 1, "hidden": 1}
    for use in (
        lambda: found.sizes,
        lambda: folder.check(found, size=8, how="resize"),
        lambda: [*found.read(upright=True)],
    ):
        with pytest.raises(DataError) as refused:
            use()
        for words in (
            "gone.png: is a link that leads nowhere",
            "class: is",
            "ring.png: is",
            "closed: cannot be listed",
        ):
            assert words in str(refused.value)


# Files that cannot be read


def truncated(path):
    path.write_bytes(draw(path, size=(64, 64)).read_bytes()[:-60])


def damaged_folder(tmp_path, count):
    for place in range(20):
        draw(tmp_path / f"{place:02}.png")
    for place in range(count):
        (tmp_path / f"bad{place:02}.png").write_bytes(b"" if place == 0 else b"\0\5\26\7Mac OS X")
    return tmp_path


@pytest.mark.parametrize("use", [data.check, data.load])
def test_unreadable_files_are_all_named_at_once_before_anything_is_decoded(use, tmp_path):
    damaged_folder(tmp_path, 3)
    with pytest.raises(DataError) as refused:
        use(settings(tmp_path))
    assert str(refused.value) == (
        f"{tmp_path}/bad00.png: cannot be read as an image (empty); "
        f"{tmp_path}/bad01.png: cannot be read as an image (no picture that Pillow knows); "
        f"{tmp_path}/bad02.png: cannot be read as an image (no picture that Pillow knows); fix or remove what is named"
    )


def test_of_many_unreadable_files_ten_are_named_and_the_others_counted(tmp_path):
    damaged_folder(tmp_path, 25)
    with pytest.raises(DataError, match=r"bad09\.png: [^;]*; and 15 more; fix or remove what is named$"):
        data.check(settings(tmp_path))


def test_damage_that_only_decoding_shows_is_named_at_once_too(tmp_path):
    damaged_folder(tmp_path, 0)
    for name in ("03.png", "17.png"):
        truncated(tmp_path / name)
    data.check(settings(tmp_path))
    with pytest.raises(DataError, match=r"03\.png: cannot be read .*17\.png: cannot be read"):
        data.load(settings(tmp_path))


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("use", [data.check, data.load])
def test_images_that_do_not_fit_are_named_together_with_unreadable_ones(fit, use, tmp_path):
    damaged_folder(tmp_path, 1)
    size = 9 if fit == "crop" else 7
    with pytest.raises(DataError, match=r"00\.png: 8x8 pixels are .* than data\.size = .*; and 11 more"):
        use(settings(tmp_path, size=size, fit=fit))
    for path in tmp_path.glob("[01]*.png"):
        draw(path, size=(size, size))
    with pytest.raises(DataError, match=r"^[^;]*bad00\.png: cannot be read as an image \(empty\); fix or remove"):
        use(settings(tmp_path, size=size, fit=fit))


def test_too_few_images_are_refused_with_what_was_skipped(tmp_path):
    draw(tmp_path / "a.png")
    draw(tmp_path / ".b.png")
    with pytest.raises(DataError, match=r"which holds 1 image; skipped: 1 hidden, but at least 20 are needed"):
        data.check(settings(tmp_path))
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"which holds no images; skipped: 1 hidden; allowed endings: \.png, "):
        data.check(settings(tmp_path))


# Pixels: as published tools read them


def transparent(mode, kind):
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    pixels[::2, :, 3] = 0
    image = Image.fromarray(pixels)
    if mode in ("LA", "PA"):
        image = image.convert("LA")
    elif mode == "P":
        image = image.convert("RGB").quantize(16)
        image.info["transparency"] = bytes([0, 128, 255] * 5 + [0])
    elif mode == "RGB":
        image = image.convert("RGB")
        image.info["transparency"] = image.getpixel((0, 0))
    saved = io.BytesIO()
    image.save(saved, kind, **({"transparency": image.info["transparency"]} if "transparency" in image.info else {}))
    return saved.getvalue()


@pytest.mark.parametrize(
    ("mode", "ending"), [("RGBA", "png"), ("LA", "png"), ("P", "png"), ("RGB", "png"), ("RGBA", "tiff")]
)
@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_transparent_pixels_keep_their_stored_colour(mode, ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(transparent(mode, ending))
    found = pictures.read(path, upright=False)
    published = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(np.broadcast_to(found.pixels, published.shape), published)
    assert found.notes == (pictures.TRANSPARENT,)


def test_an_alpha_channel_without_transparent_pixels_is_nothing_to_speak_of(tmp_path):
    Image.new("RGBA", (4, 4), (1, 2, 3, 255)).save(tmp_path / "a.png")
    found = pictures.read(tmp_path / "a.png", upright=False)
    assert (found.pixels == (1, 2, 3)).all()
    assert found.notes == ()


def test_cmyk_is_what_pillow_makes_of_it(tmp_path):
    rng = np.random.default_rng(5)
    Image.fromarray(rng.integers(0, 256, (16, 16, 4), dtype=np.uint8), "CMYK").save(tmp_path / "a.jpg")
    expected = np.asarray(Image.open(tmp_path / "a.jpg").convert("RGB"))
    np.testing.assert_array_equal(pictures.read(tmp_path / "a.jpg", upright=True).pixels, expected)


@pytest.mark.parametrize("ending", ["png", "tiff", "pgm"])
def test_sixteen_bits_are_scaled_to_eight_and_said(ending, tmp_path):
    values = np.array([[0, 256, 257, 30_000, 65_535]], np.uint16)
    path = tmp_path / f"a.{ending}"
    if ending == "pgm":
        path.write_bytes(b"P5 5 1 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(path)
    found = pictures.read(path, upright=False)
    np.testing.assert_array_equal(found.pixels[..., 0], values // 257)
    assert found.notes == (pictures.SIXTEEN_BITS,)


def test_rotation_by_exif_is_followed_for_studies_and_not_for_published_scores(tmp_path):
    picture = Image.fromarray(np.arange(96, dtype=np.uint8).reshape(4, 8, 3))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    upright, stored = (pictures.read(tmp_path / "turned.png", upright=choice) for choice in (True, False))
    np.testing.assert_array_equal(stored.pixels, np.asarray(picture))
    np.testing.assert_array_equal(upright.pixels, np.rot90(np.asarray(picture), -1))
    assert upright.notes == ("with an EXIF rotation (turned upright)",)
    assert stored.notes == ("with an EXIF rotation (not applied)",)


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first_is_taken(ending, tmp_path):
    frames = [Image.new("RGB", (6, 6), (value, value, value)) for value in (250, 10)]
    lossless = {"lossless": True} if ending == "webp" else {}
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], **lossless)
    found = pictures.read(tmp_path / f"a.{ending}", upright=False)
    assert (found.pixels == 250).all()
    assert found.notes == (pictures.FRAMES,)


def test_notes_say_what_was_done_and_are_no_part_of_the_fingerprint(tmp_path):
    for place in range(18):
        draw(tmp_path / f"{place:02}.png", place)
    plain = data.load(settings(tmp_path))
    Image.new("RGBA", (8, 8), (0, 0, 255, 0)).save(tmp_path / "00.png")
    (tmp_path / "labels.csv").write_text("")
    found = data.load(settings(tmp_path))
    assert found.notes == ("18 images; skipped: 1 .csv; 1 with transparency (stored colour kept)",)
    assert found.fingerprint == plain.fingerprint


def test_pictures_of_all_kinds_and_sizes_become_one_size(tmp_path):
    rng = np.random.default_rng(2)
    for place in range(20):
        Image.fromarray(rng.integers(0, 256, (20 + place, 30, 3), dtype=np.uint8)).save(tmp_path / f"{place:02d}.png")
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "clear.webp")
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(tmp_path / "sixteen.png")
    Image.new("P", (40, 40)).save(tmp_path / "palette.gif")
    images = data.load(settings(tmp_path, size=16))
    assert images.train.shape[1:] == (16, 16, 3)
    assert len(images.train) + len(images.held_out) == 23
    grey = data.load(settings(tmp_path, size=16, channels=1, fit="crop"))
    assert grey.train.shape[1:] == (16, 16, 1)
