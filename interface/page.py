"""The page's layout, and how it is served: a photo goes in, and a slider shows the person at every age."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from dominate import tags

from interface.events import Events
from interface.series import VIDEOS, data_address
from util.errors import UserError

_HERE = Path(__file__).parent
_ETHICS = (
    "Every picture made here is synthetic: it shows what a model learned from others, not how anyone will look.",
    "Use photos of people who agree, say that the results are made, and judge or identify nobody by them.",
)
# More events than these are refused with a sentence.
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


def build(events: Events) -> gr.Blocks:
    """Lays the page out, and ties its events to what they do."""
    names, first = events.choices(), events.first()
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
                    "Upload HEIC, AVIF or TIFF", file_types=[".heic", ".heif", ".avif", ".tif", ".tiff"], size="sm"
                )
                samples = gr.HTML(
                    html_template=str(_sample_buttons(events).render()),
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
                whole = gr.Checkbox(label="Show the head in its photo", elem_id="whole")
            with gr.Column(elem_id="choices", min_width=0):
                shown = gr.HTML(elem_id="facts")
                face = gr.Radio([], label="Face, from the left", visible=False, elem_id="face")
                model = gr.Radio(names, value=first, label="Model", elem_id="model")
                offer = gr.HTML(visible=False, elem_id="offer")
                fetch = gr.Button(visible=False, elem_id="fetch")
                made = gr.File(visible="hidden")
        # One photo and one series at a time, so that visitors share the machine's memory in turn.
        frames: dict[str, Any] = {"concurrency_id": "frames", "concurrency_limit": 1}
        photos: dict[str, Any] = {"concurrency_id": "photos", "concurrency_limit": 1}

        def age(listen: Callable[..., Any]) -> None:
            """Makes the series when an event changes what it shows."""
            started = listen(events.start, [model, face, whole], [shown, scrubber], show_progress_on=shown, **frames)
            started.success(events.refine, None, scrubber, show_progress="hidden", **frames)

        uploaded = photo.input(events.read, photo, face, preprocess=False, **photos)
        others = (
            other.upload(events.read, other, face, preprocess=False, **photos),
            samples.pick(events.take_sample, None, face, **photos),
        )
        # The photo's box shows the photo in use or nothing.
        uploaded.failure(lambda: None, None, photo)
        for reading in others:
            reading.success(lambda: None, None, photo)
        for reading in (uploaded, *others):
            age(reading.success)
        age(face.input)
        age(whole.input)
        age(model.input(events.offer, model, [offer, fetch]).success)
        fetched = fetch.click(events.fetch, model, [offer, fetch, model])
        fetched.failure(events.offer, model, [offer, fetch])
        age(fetched.success)
        saved = scrubber.save(events.save, None, made, concurrency_id="files", concurrency_limit=2)
        saved.success(None, made, None, js=_SAVE)
        blocks.load(partial(events.offer, first), None, [offer, fetch])
        blocks.unload(events.leave)
    return blocks.queue(max_size=_WAITING, default_concurrency_limit=4)


@contextmanager
def served(blocks: gr.Blocks, *, port: int, share: bool) -> Iterator[str]:
    """Serves the page within it, and gives its address. Nothing on it is requested from other machines.

    Raises:
        UserError: the port is taken.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio asks its own server whether it is up.
    system = ["system-ui", "sans-serif"]
    try:
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
            state_session_capacity=_WAITING,
            max_threads=8,
            theme=gr.themes.Base(font=system, font_mono=["ui-monospace", "monospace"]),
            css_paths=_HERE / "page.css",
        )
    except OSError as error:
        raise UserError(f"--port {port}: is in use; choose another") from error
    try:
        yield str(public or local)
    finally:
        # Open pages keep their connections, so these are cut, and not each reported as an error. The picture that is
        # being made gets done: the process would abort if it ended while a thread of Gradio's is in C++ code.
        logging.getLogger("uvicorn.error").disabled = True
        blocks.server.force_exit = True
        blocks.close(verbose=False)
        blocks.server.thread.join()


def _sample_buttons(events: Events) -> Any:
    """The samples as pictures to press."""
    buttons = [
        tags.button(tags.img(src=data_address(read(path).thumbnails(96)[0]), alt=path.stem), type="button")
        for path, read in events.samples.items()
    ]
    return tags.div(tags.p("Or a sample:"), tags.div(buttons))
