"""The models that the page offers: those that are there, and published ones that it can fetch."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from interface.series import UsableModel
from util.download import PublishedFile, fetch
from util.http import Network, size

# A loaded model takes some 220 MB, so only the last ones that were used stay in memory.
_KEPT = 2
_POLL_SECONDS = 0.5
DEMO = "demo_model"


class Shelf:
    """Models by name.

    Args:
        folder: the models' folder.
        load: reads a model that is there, by its name.
        fetchable: published files by model, which belong under `root`; the model's own file comes first. Empty if
            visitors must not start downloads.
        root: where files are fetched to.
        network: how files are fetched.
    """

    def __init__(
        self,
        folder: Path,
        load: Callable[[str], UsableModel],
        *,
        fetchable: Mapping[str, list[PublishedFile]],
        root: Path,
        network: Network | None = None,
    ) -> None:
        self._folder = folder
        self._load = load
        self._fetchable = fetchable
        self._root = root
        self._network = network or Network()
        self._loaded: dict[str, UsableModel] = {}
        self._loading = threading.Lock()
        self._fetching = threading.Lock()

    def there(self) -> list[str]:
        """The names of the models that can be used."""
        return sorted({path.parent.name for path in self._folder.glob("*/latest_net_*.pth")})

    def names(self) -> list[str]:
        """All models: those that are there, then those that can be fetched."""
        there = self.there()
        return there + [name for name in self._fetchable if name not in there]

    def get(self, name: str) -> UsableModel:
        """A model that is there, loaded if it was not in use lately."""
        with self._loading:
            model = self._loaded.pop(name, None) or self._load(name)
            self._loaded[name] = model
            for oldest in list(self._loaded)[:-_KEPT]:
                del self._loaded[oldest]
        return model

    def to_fetch(self, name: str) -> list[PublishedFile]:
        """The files that a model lacks."""
        files = self._fetchable.get(name, [])
        return [file for file in files if not (self._root / (file.folder or file.path)).exists()]

    def fetch(self, name: str) -> Iterator[float]:
        """Fetches what a model lacks, and yields the share that has arrived, about twice a second.

        Raises:
            UserError: the files cannot be fetched.
        """
        # A second visitor waits for the first one's download, and then finds everything there.
        with self._fetching, ThreadPoolExecutor(1) as executor:
            files = self.to_fetch(name)
            whole = sum(file.size for file in files)
            done = 0
            for file in files:
                job = executor.submit(fetch, file, self._root, self._network)
                part = (self._root / file.path).with_name(f"{file.path.name}.part")
                while not job.done():
                    yield (done + size(part)) / whole
                    time.sleep(_POLL_SECONDS)
                job.result()
                done += file.size
                yield done / whole
