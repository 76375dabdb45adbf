"""What the page keeps of its visitors: their photo and series in memory, files to download in private folders."""

import secrets
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from interface.portraits import AlignedPhoto, ReadPhoto
from interface.series import ShownSeries
from util.memory import release_freed_memory


@dataclass
class Visit:
    """One visitor's session.

    Attributes:
        folder: holds the files that were made for the visitor. Its name cannot be guessed.
        upload: the file that the photo was read from, if the visitor sent one.
        photo: the photo in use.
        series: the series of the current photo; None until it is begun.
        choice: the model and the number of the face that it shows.
    """

    folder: Path
    upload: Path | None = None
    photo: ReadPhoto | AlignedPhoto | None = None
    series: ShownSeries | None = None
    choice: tuple[str, int] | None = None


class Visits:
    """The sessions that are open. The oldest is forgotten if there are too many, so that memory stays bounded.

    Args:
        root: a private folder, which holds the visitors' folders and uploads.
        most: sessions at a time.
    """

    def __init__(self, root: Path, most: int) -> None:
        self.root = root
        self.most = most
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def __getitem__(self, session: str) -> Visit:
        """The visit of a session, which begins with the first call."""
        with self._lock:
            visit = self._visits.pop(session, None) or Visit(self.root / secrets.token_urlsafe(16))
            self._visits[session] = visit  # at the end, because it is in use
            forgotten = list(self._visits)[: -self.most]
        for oldest in forgotten:
            self.end(oldest)
        return visit

    def hold(self, visit: Visit, upload: Path | None) -> None:
        """Notes which upload a visit uses, and deletes the one that it used before."""
        with self._lock:
            before, visit.upload = visit.upload, upload
            self._delete_unless_used(before)

    def end(self, session: str) -> None:
        """Forgets a visitor and deletes the files."""
        with self._lock:
            visit = self._visits.pop(session, None)
            if visit is None:
                return
            # A series that is still being made notices that it is no longer wanted.
            visit.series = None
            self._delete_unless_used(visit.upload)
        shutil.rmtree(visit.folder, ignore_errors=True)
        visit.photo = None
        release_freed_memory()

    def _delete_unless_used(self, upload: Path | None) -> None:
        """Deletes an upload. Gradio stores files of the same content once, so another visitor may need it."""
        if upload and all(visit.upload != upload for visit in self._visits.values()):
            upload.unlink(missing_ok=True)
