"""What the page does when a visitor acts; interface/page.py ties the events to it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from dominate import tags

from data.in_the_wild.cut_out import Parse
from interface.portraits import AlignedPhoto, Judge, ReadPhoto, Sitting
from interface.series import ShownSeries, data_address
from interface.shelf import DEMO, Shelf
from interface.visits import Visits
from util.errors import UserError
from util.memory import release_freed_memory

_DRAWS = "The demo model has only seen drawn people, and makes a drawn one of you; choose a published model."
# A series that takes longer is given up, so that one visitor does not keep the others waiting.
_MOST_SECONDS = 300
# Frames are sent to the page in groups of this many.
_GROUP = 5


@dataclass(frozen=True)
class Events:
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
    samples: dict[Path, Callable[[Path], ReadPhoto | AlignedPhoto]]
    licence: str

    def read(self, upload: dict[str, Any] | None, request: gr.Request) -> Any:
        """Reads an upload, and offers its faces."""
        if upload is None:
            return gr.skip()
        path = Path(str(upload.get("path"))).resolve()
        if not path.is_relative_to(self.visits.root.resolve()):
            raise _refusal("The photo was not uploaded here; choose it again")
        return self._take(path, ReadPhoto.read, request, upload=path)

    def take_sample(self, event: gr.EventData, request: gr.Request) -> Any:
        """Reads a sample."""
        path, read = list(self.samples.items())[int(event.index) % len(self.samples)]
        return self._take(path, read, request)

    def _take(
        self,
        path: Path,
        read: Callable[[Path], ReadPhoto | AlignedPhoto],
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

    def start(self, name: str, face: int | None, in_photo: bool, request: gr.Request) -> Iterator[tuple[Any, Any]]:
        """Shows what was detected, then a coarse series."""
        visit = self.visits[str(request.session_hash)]
        photo = visit.photo
        if photo is None or name not in self.shelf.there():
            yield gr.skip(), gr.skip()
            return
        number = photo.largest if face is None else face
        if number not in range(photo.count):
            raise _refusal("This photo shows fewer faces; choose another one")
        try:
            model = self.shelf.get(name)
            sitting = photo.sit(number, size=model.load_size, parse=self.parser(), judge=self.judge)
            before, choice = visit.series, (name, number)
            frames = before.frames if before and visit.choice == choice else None
            series = ShownSeries(model, sitting.portrait, in_photo=in_photo, frames=frames)
            visit.series, visit.choice = series, choice
        except UserError as error:
            raise _refusal(str(error)) from error
        notes = [*sitting.warnings, *([_DRAWS] if name == DEMO and isinstance(photo, ReadPhoto) else [])]
        yield _facts(sitting, notes, photo.thumbnails(96)), series.view()
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
        release_freed_memory()

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
            gr.Button(f"Fetch it ({megabytes:.0f} MB)", visible=True, interactive=True),
        )

    def fetch(self, name: str) -> Iterator[tuple[Any, Any, Any]]:
        """Fetches a model, and tells how far it is."""
        try:
            for share in self.shelf.fetch(name):
                yield (
                    gr.HTML(tags.p(f"Fetching {name}: {share:.0%}").render()),
                    gr.Button(interactive=False),
                    gr.skip(),
                )
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
            series = ShownSeries(model, sitting.portrait, in_photo=False)
            next(series.make(series.coarse()[:1]))

    def leave(self, request: gr.Request) -> None:
        """Forgets a visitor."""
        self.visits.end(str(request.session_hash))


def _facts(sitting: Sitting, notes: list[str], faces: list[np.ndarray]) -> str:
    """What was detected, as HTML: the portrait, its age and warnings, and the faces if there are several."""
    box = tags.div(cls="facts")
    with box:
        tags.img(src=data_address(sitting.pixels), alt="The aligned portrait")
        with tags.div():
            tags.strong("No age can be read in it." if sitting.looks is None else f"Looks {sitting.looks:.0f}")
            tags.ul([tags.li(note) for note in notes or ["Nothing speaks against this portrait."]])
        if len(faces) > 1:
            with tags.div(cls="faces"):
                for number, face in enumerate(faces, start=1):
                    tags.figure(tags.img(src=data_address(face), alt=""), tags.figcaption(str(number)))
    return str(box.render())


def _refusal(sentence: str) -> gr.Error:
    return gr.Error(f"{sentence}.", title="This did not work", duration=None, print_exception=False)
