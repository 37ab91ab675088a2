"""heldout shifts show, heldout shifts write: shifted images to look at, and for other tools"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heldout.cli.copies_report import counted, frost_said, medium_said, report
from heldout.cli.progress import progress
from heldout.cli.show import say

if TYPE_CHECKING:
    from heldout.images.geometry import Geometry

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
_SIZE = 224

ShiftOption = Annotated[
    list[str] | None,
    typer.Option("--shift", help="A shift or group, such as fog:3 or imagenet-c; repeatable."),
]
SizeOption = Annotated[
    int | None,
    typer.Option(
        "--size", help="Pixels of the centre crop; 224 as published, 0 keeps images.", min=0
    ),
]
ResizeOption = Annotated[
    int | None,
    typer.Option("--resize", help="The shorter side before the crop; 256 for 224.", min=1),
]
InterpolationOption = Annotated[
    str, typer.Option("--interpolation", help="How the resize interpolates.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of random shifts.", min=0)]
JpegOption = Annotated[
    int | None,
    typer.Option("--jpeg", help="JPEG of this quality, as published: 85.", min=1, max=100),
]
FrostOption = Annotated[
    str | None, typer.Option("--frost", help="Folder with the photographs for frost.")
]
ExifOption = Annotated[
    bool, typer.Option("--exif", help="Turn images as EXIF says; the field does not.")
]


def show(
    image: Annotated[str, typer.Argument(help="An image file.")],
    shifts: ShiftOption = None,
    size: SizeOption = None,
    resize: ResizeOption = None,
    interpolation: InterpolationOption = "bilinear",
    seed: SeedOption = 0,
    jpeg: JpegOption = None,
    frost: FrostOption = None,
    exif: ExifOption = False,
    side: Annotated[
        int, typer.Option("--side", help="Pixels of each picture on the sheet.", min=16, max=1024)
    ] = 112,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="The file; NAME-shifts.png by default."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """A contact sheet: one image under every corruption and severity.

    One image under many shifts as one picture, a row a shift and a column a number. All
    corruptions of ImageNet-C, if no --shift says otherwise.

    Example:  heldout shifts show bird.jpg

    Example:  heldout shifts show bird.jpg --shift fog:1-5,blur:1-3 -o fog.png
    """
    from heldout.errors import BadInput
    from heldout.images.decode import Decoding, Unreadable, decode
    from heldout.images.geometry import Geometry, fit
    from heldout.shifts import frost_folder
    from heldout.shifts.catalogue import on_disk, with_photographs
    from heldout.shifts.sheet import sheet

    # The sheet begins with the clean image, asked for or not.
    texts = [t for t in expanded(shifts or ["imagenet-c", "imagenet-c-extra"]) if t != "clean"]
    if not texts:
        raise BadInput("A sheet begins with the clean image by itself: name a shift, too.")
    to = _free(output or f"{os.path.splitext(os.path.basename(image))[0]}-shifts.png", image, force)
    if frost:
        frost_folder.use(frost)
        texts = with_photographs(texts)
    if jpeg:
        texts = on_disk(texts, jpeg)
    try:
        with open(image, "rb") as file:
            picture = decode(file.read(), Decoding(exif=exif))
        small = size is None and min(picture.size) < _SIZE
        geometry = Geometry() if small else geometry_of(size, resize, interpolation)
        pixels = fit(picture, geometry)
    except Unreadable as error:
        raise BadInput(f"'{image}' is no image that can be read: {error}.") from error
    except OSError as error:
        raise BadInput(f"'{image}' cannot be read: {error.strerror or error}.") from error
    name = os.path.basename(image)
    size_said = f"{pixels.shape[1]} x {pixels.shape[0]}"
    medium = medium_said(texts)
    title = (name, f"{size_said} pixels, seed {seed}, {medium}", *frost_said(texts))
    done = sheet(pixels, texts, seed=seed, example=name, side=side, title=title)
    _save(done, to)
    say(
        f"Wrote {to}: {counted(len(texts), 'picture')} of {size_said} pixels,"
        f" {geometry.in_words()}; {', '.join((f'seed {seed}', medium, *frost_said(texts)))}."
    )
    if small:
        say(f"The image is smaller than {_SIZE} pixels, so it was kept; --size enlarges it.")


def write(
    images: Annotated[
        str, typer.Argument(help="A folder of images, or NAME=FOLDER, as `run` takes it.")
    ],
    out: Annotated[str, typer.Argument(help="The folder for the copies.")],
    shifts: ShiftOption = None,
    size: SizeOption = None,
    resize: ResizeOption = None,
    interpolation: InterpolationOption = "bilinear",
    seed: SeedOption = 0,
    jpeg: JpegOption = None,
    frost: FrostOption = None,
    exif: ExifOption = False,
    limit: Annotated[
        int | None, typer.Option("--limit", help="So many images, evenly spread.", min=1)
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes; one a core by default.", min=1)
    ] = None,
) -> None:
    """Corrupted copies of a folder of images; it resumes.

    For tools that want files. Killed, the same command goes on where it was. It writes
    OUT/fog/3/… for every shift, as ImageNet-C lies on a disk: PNG files, or JPEG with --jpeg 85.
    Without --shift the 75 settings of imagenet-c. Images below 224 pixels are enlarged only
    with --size 224. Exit code 3 when some have no copies, as they are that small or cannot be
    read; they are listed, and all others are written.

    Example:  heldout shifts write val/ val-c/ --jpeg 85
    """
    from heldout.engine.copier import Order
    from heldout.engine.write_copies import write_copies
    from heldout.testsets.opening import parse_options

    name, source = _named(images)
    order = Order(
        parse_options(source),
        out,
        tuple(expanded(shifts or ["imagenet-c"])),
        set_name=name,
        geometry=geometry_of(size, resize, interpolation),
        enlarge=size is not None,
        seed=seed,
        jpeg=jpeg or 0,
        frost=frost or "",
        exif=exif,
        limit=limit or 0,
        workers=workers or 0,
    )
    with progress("Write") as step:
        done = write_copies(order, step)
    report(order, done)
    if done.unreadable or done.small:
        raise typer.Exit(3)


def geometry_of(size: int | None, resize: int | None, interpolation: str) -> Geometry:
    """The geometry that flags say; that of ImageNet-C's files where they say nothing."""
    from heldout.errors import BadInput
    from heldout.images.geometry import Geometry

    if size == 0:
        if resize is not None:
            raise BadInput("--size 0 keeps images as they are, so --resize does not go with it.")
        return Geometry()
    side = size or _SIZE
    return Geometry(resize or round(side * 256 / 224), (side, side), interpolation)


def expanded(given: list[str]) -> list[str]:
    """All shifts that texts mean, each once; 'clean', also between commas, for none."""
    from heldout.shifts.catalogue import expand

    found: dict[str, None] = {}
    for text in given:
        parts = text.split(",")
        shifts = [p for p in parts if p.strip() != "clean"]
        if len(shifts) < len(parts):
            found["clean"] = None
        if shifts:
            found |= dict.fromkeys(expand(",".join(shifts)))
    return list(found)


def _named(images: str) -> tuple[str, str]:
    """NAME=FOLDER taken apart; a folder that exists with its = is only a folder."""
    name, equals, rest = images.partition("=")
    if not equals or not rest or set(name) & set("/?") or os.path.exists(images):
        return "", images
    return name, rest


def _free(path: str, image: str, force: bool) -> str:
    """The file to write. Raises BadInput for one that is there, and for one that cannot be one."""
    from heldout.errors import BadInput

    if not path.lower().endswith(_ENDINGS):
        raise BadInput(f"'{path}' has to end in one of {', '.join(_ENDINGS)}.")
    if os.path.exists(path):
        if os.path.exists(image) and os.path.samefile(path, image):
            raise BadInput(f"'{path}' is the image itself; name another file with -o.")
        if not force:
            raise BadInput(f"'{path}' is there already; name another with -o, or give --force.")
    return path


def _save(picture: Any, path: str) -> None:
    """Write a picture whole or not at all."""
    from heldout.errors import BadInput

    head, tail = os.path.split(path)
    stem, ending = os.path.splitext(tail)
    temporary = os.path.join(head, f".{stem}.unfinished-{os.getpid()}{ending}")
    try:
        picture.save(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise BadInput(f"Could not write '{path}': {error.strerror or error}.") from error
