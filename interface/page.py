"""The page: a photo goes in, and a slider shows the person at every age."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from dominate import tags

from data.in_the_wild.cut_out import Parse
from interface.portraits import AlignedPhoto, Judge, Photo, Sitting
from interface.series import VIDEOS, Series, data_address
from interface.shelf import DEMO, Shelf
from interface.visits import Visits
from util.errors import UserError

_HERE = Path(__file__).parent
_ETHICS = (
    "Every picture made here is synthetic: it shows what a model learned from other people, not how anyone will look.",
    "Use photos of people who agree, say that the results are made, and judge or identify nobody by them.",
)
_GARBLES = "The demo model has only seen drawn people and garbles real faces; choose a published model."
# A series that takes longer is given up, so that one visitor does not keep the others waiting.
_MOST_SECONDS = 300
# Frames are sent to the page in groups of this many.
_GROUP = 5
_WAITING = 40
# The browser follows this link to save a file that was made for the visitor.
_SAVE = """(file) => {
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""

_PICK = """element.querySelectorAll('button').forEach((button, index) => {
  button.addEventListener('click', () => trigger('pick', {index}));
});"""


@dataclass(frozen=True)
class Page:
    """What the page's events do.

    Attributes:
        shelf: the models.
        visits: the visitors' sessions.
        parser: gives the face parser that is installed by now.
        judge: tells the age that is seen in a portrait.
        samples: pictures that visitors can try, each with the way that it is read.
        licence: of the models that can be fetched.
    """

    shelf: Shelf
    visits: Visits
    parser: Callable[[], Parse]
    judge: Judge
    samples: dict[Path, Callable[[Path], Photo | AlignedPhoto]]
    licence: str

    def read(self, upload: dict[str, Any] | None, request: gr.Request) -> Any:
        """Reads an upload, and offers its faces."""
        if upload is None:
            return gr.skip()
        path = Path(str(upload.get("path"))).resolve()
        if not path.is_relative_to(self.visits.root.resolve()):
            raise _refusal("The photo was not uploaded here; choose it again")
        return self._take(path, Photo.read, request, upload=path)

    def take_sample(self, event: gr.EventData, request: gr.Request) -> Any:
        """Reads a sample."""
        path, read = list(self.samples.items())[int(event.index) % len(self.samples)]
        return self._take(path, read, request)

    def _take(
        self,
        path: Path,
        read: Callable[[Path], Photo | AlignedPhoto],
        request: gr.Request,
        upload: Path | None = None,
    ) -> Any:
        visit = self.visits[str(request.session_hash)]
        try:
            photo = read(path)
        except UserError as error:
            raise _refusal(str(error)) from error
        finally:
            self.visits.hold(visit, upload)
        visit.photo, visit.series = photo, None
        numbers = [(str(number + 1), number) for number in range(photo.count)]
        return gr.Radio(numbers, value=photo.largest, visible=len(numbers) > 1)

    def start(self, name: str, face: int | None, request: gr.Request) -> Iterator[tuple[Any, Any]]:
        """Shows what was detected, then a coarse series."""
        visit = self.visits[str(request.session_hash)]
        photo = visit.photo
        if photo is None or name not in self.shelf.there():
            yield gr.skip(), gr.skip()
            return
        try:
            model = self.shelf.get(name)
            number = photo.largest if face is None else face
            sitting = photo.sit(number, size=model.load_size, parse=self.parser(), judge=self.judge)
            visit.series = series = Series(model, sitting.pixels)
        except (UserError, IndexError) as error:
            raise _refusal(str(error)) from error
        notes = [*sitting.warnings, *([_GARBLES] if name == DEMO and isinstance(photo, Photo) else [])]
        yield facts(sitting, notes, photo.thumbnails(96)), series.view()
        for _ in series.make(series.coarse()):
            if visit.series is not series:
                return
            yield gr.skip(), series.view()

    def refine(self, request: gr.Request) -> Iterator[Any]:
        """Makes the frames between."""
        visit = self.visits[str(request.session_hash)]
        series, start = visit.series, time.monotonic()
        if series is None:
            yield gr.skip()
            return
        for done in series.make(series.missing()):
            if visit.series is not series:
                return
            if time.monotonic() - start > _MOST_SECONDS:
                gr.Warning("This machine is too slow for every age, so some are left out.")
                break
            if done % _GROUP == 0:
                yield series.view()
        yield series.view()

    def save(self, event: gr.EventData, request: gr.Request) -> str:
        """Writes a download."""
        visit = self.visits[str(request.session_hash)]
        if visit.series is None:
            raise _refusal("The series is no longer here, because the connection was lost; choose the photo again")
        try:
            return str(visit.series.write(str(event.kind), int(event.index), visit.folder))
        except UserError as error:
            raise _refusal(str(error)) from error

    def offer(self, name: str) -> tuple[Any, Any]:
        """The line and the button for a model that is not here yet."""
        files = self.shelf.to_fetch(name)
        if not files:
            return gr.HTML(visible=False), gr.Button(visible=False)
        megabytes = sum(file.size for file in files) / 1e6
        return (
            gr.HTML(tags.p(f"{name} is not here yet. Its licence is {self.licence}.").render(), visible=True),
            gr.Button(f"Fetch it ({megabytes:.0f} MB)", visible=True),
        )

    def fetch(self, name: str) -> Iterator[tuple[Any, Any, Any]]:
        """Fetches a model, and tells how far it is."""
        try:
            for share in self.shelf.fetch(name):
                yield gr.HTML(tags.p(f"Fetching {name}: {share:.0%}").render()), gr.Button(interactive=False), gr.skip()
        except UserError as error:
            raise _refusal(str(error)) from error
        yield *self.offer(name), gr.Radio(self.choices())

    def choices(self) -> list[tuple[str, str]]:
        """The models, with a word about those that need one."""
        words = {name: " (not here yet)" for name in self.shelf.names() if name not in self.shelf.there()}
        words[DEMO] = " (drawn people)"
        return [(name + words.get(name, ""), name) for name in self.shelf.names()]

    def first(self) -> str:
        """The model that is chosen when the page opens: a real one if there is one."""
        names = self.shelf.there() or self.shelf.names()
        return next((name for name in names if name != DEMO), names[0])

    def warm_up(self) -> None:
        """Loads what the first visitor would otherwise wait for."""
        path, read = list(self.samples.items())[-1]
        if self.first() in self.shelf.there():
            model = self.shelf.get(self.first())
            sitting = read(path).sit(0, size=model.load_size, parse=self.parser(), judge=self.judge)
            series = Series(model, sitting.pixels)
            next(series.make(series.coarse()[:1]))

    def leave(self, request: gr.Request) -> None:
        """Forgets a visitor."""
        self.visits.end(str(request.session_hash))


def _refusal(sentence: str) -> gr.Error:
    return gr.Error(f"{sentence}.", title="This did not work", duration=None, print_exception=False)


def facts(sitting: Sitting, notes: list[str], faces: list[np.ndarray]) -> str:
    """What was detected, as HTML: the portrait, its age and warnings, and the faces if there are several."""
    box = tags.div(cls="facts")
    with box:
        tags.img(src=data_address(sitting.pixels), alt="The aligned portrait")
        with tags.div():
            tags.strong("No age can be read in it." if sitting.looks is None else f"Looks {sitting.looks:.0f}")
            tags.ul([tags.li(note) for note in notes])
        if len(faces) > 1:
            with tags.div(cls="faces"):
                for number, face in enumerate(faces, start=1):
                    tags.figure(tags.img(src=data_address(face), alt=""), tags.figcaption(str(number)))
    return str(box.render())


def sample_buttons(page: Page) -> Any:
    """The samples as pictures to press."""
    buttons = [
        tags.button(tags.img(src=data_address(read(path).thumbnails(96)[0]), alt=path.stem), type="button")
        for path, read in page.samples.items()
    ]
    return tags.div(tags.p("Or a sample:"), tags.div(buttons))


def build(page: Page) -> gr.Blocks:
    """Lays the page out, and ties its events to what they do."""
    names, first = page.choices(), page.first()
    with gr.Blocks(title="Lifespan", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gr.HTML(tags.div(tags.h1("Lifespan"), [tags.p(line) for line in _ETHICS]).render(), elem_id="heading")
        with gr.Row(elem_id="layout"):
            with gr.Column(elem_id="source", min_width=0):
                photo = gr.Image(
                    label="A photo",
                    sources=["upload", "webcam", "clipboard"],
                    type="filepath",
                    height=220,
                    elem_id="photo",
                )
                other = gr.UploadButton(
                    "HEIC, AVIF, TIFF", file_types=[".heic", ".heif", ".avif", ".tif", ".tiff"], size="sm"
                )
                samples = gr.HTML(
                    html_template=str(sample_buttons(page).render()),
                    js_on_load=_PICK,
                    elem_id="samples",
                )
            with gr.Column(elem_id="result", min_width=0):
                scrubber = gr.HTML(
                    html_template=(_HERE / "scrubber.html").read_text(encoding="utf-8"),
                    js_on_load=(_HERE / "scrubber.js").read_text(encoding="utf-8"),
                    elem_id="scrubber",
                    kinds=["age", "row", *VIDEOS],
                )
            with gr.Column(elem_id="choices", min_width=0):
                shown = gr.HTML(elem_id="facts")
                face = gr.Radio([], label="Face, from the left", visible=False, elem_id="face")
                model = gr.Radio(names, value=first, label="Model", elem_id="model")
                offer = gr.HTML(visible=False, elem_id="offer")
                fetch = gr.Button(visible=False, elem_id="fetch")
                made = gr.File(visible="hidden")
        frames = {"concurrency_id": "frames", "concurrency_limit": 1}
        photos = {"concurrency_id": "photos", "concurrency_limit": 1}

        def age(listen: Callable[..., Any]) -> None:
            """Makes the series when an event changes what it shows."""
            started = listen(page.start, [model, face], [shown, scrubber], show_progress_on=shown, **frames)
            started.success(page.refine, None, scrubber, show_progress="hidden", **frames)

        uploaded = photo.input(page.read, photo, face, preprocess=False, **photos)
        others = (
            other.upload(page.read, other, face, preprocess=False, **photos),
            samples.pick(page.take_sample, None, face, **photos),
        )
        # The photo's box shows the photo in use or nothing.
        uploaded.failure(lambda: None, None, photo)
        for reading in others:
            reading.success(lambda: None, None, photo)
        for reading in (uploaded, *others):
            age(reading.success)
        age(face.input)
        age(model.input(page.offer, model, [offer, fetch]).success)
        age(fetch.click(page.fetch, model, [offer, fetch, model]).success)
        saved = scrubber.save(page.save, None, made, concurrency_id="files", concurrency_limit=2)
        saved.success(None, made, None, js=_SAVE)
        blocks.load(partial(page.offer, first), None, [offer, fetch])
        blocks.unload(page.leave)
    return blocks.queue(max_size=_WAITING, default_concurrency_limit=4)


def launch(blocks: gr.Blocks, *, port: int, share: bool) -> str:
    """Serves the page, and returns its address. Nothing on it is requested from other machines."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio asks its own server whether it is up.
    system = ["system-ui", "sans-serif"]
    _, local, public = blocks.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        quiet=True,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        max_file_size="40mb",
        max_threads=8,
        theme=gr.themes.Base(font=system, font_mono=["ui-monospace", "monospace"]),
        css_paths=_HERE / "page.css",
    )
    return str(public or local)
