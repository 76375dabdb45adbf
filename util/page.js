"use strict";
// Pictures open large, and rows get a slider through their pictures. Without this script, links open the pictures.
{
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const button = (text, label, onclick) => {
    const made = make("button", { type: "button", textContent: text, className: label, title: label, onclick });
    made.setAttribute("aria-label", label);
    return made;
  };

  const links = [...document.querySelectorAll("table.pictures a")];
  const column = (link) => link.closest("td").cellIndex;
  const picture = make("img", {}), words = make("p", {});
  let shown = 0;

  const show = (number) => {
    if (!links[number]) return;
    shown = number;
    picture.src = links[number].href;
    picture.alt = words.textContent = links[number].title;
    if (dialog.open) return;
    document.body.append(dialog);
    dialog.showModal();
  };
  // The same column of the row above or below.
  const showRow = (direction) => {
    let number = shown + direction;
    while (links[number] && column(links[number]) !== column(links[shown])) number += direction;
    show(number);
  };
  const moves = {
    ArrowLeft: () => show(shown - 1),
    ArrowRight: () => show(shown + 1),
    ArrowUp: () => showRow(-1),
    ArrowDown: () => showRow(1),
  };
  const dialog = make(
    "dialog",
    { className: "large" },
    picture,
    button("‹", "previous", moves.ArrowLeft),
    words,
    button("›", "next", moves.ArrowRight),
    button("×", "close", () => dialog.close()),
  );
  // One goes on with the page at the picture that was seen last.
  dialog.addEventListener("close", () => links[shown].focus());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });
  let start = NaN;
  dialog.addEventListener("touchstart", (event) => {
    // Two fingers enlarge the picture.
    start = event.touches.length === 1 ? event.touches[0].clientX : NaN;
  });
  dialog.addEventListener("touchend", (event) => {
    const way = event.changedTouches[0].clientX - start;
    if (Math.abs(way) > 40) moves[way > 0 ? "ArrowLeft" : "ArrowRight"]();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a"), number = links.indexOf(link?.original ?? link);
    // A click with a key opens a tab or a window, as everywhere.
    if (number < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(number);
  });

  const enlarged = () => make("a", {}, make("img", {}), make("span", {}));
  const enlarge = (large, link) => {
    const [image, caption] = large.children;
    large.original = link;
    large.href = image.src = link.href;
    image.alt = caption.textContent = link.title;
  };

  // A slider below a row shows one picture after the other, large, beside the row's first picture.
  const addSlider = (row, label) => {
    const [first, ...others] = row.querySelectorAll("a");
    if (others.length < 2) return;
    const slider = make("input", { type: "range", min: 0, max: others.length - 1, value: 0 });
    slider.setAttribute("aria-label", label);
    // The first picture's caption may be long, so the slider stands beside it.
    row.cells[0].rowSpan = 2;
    const sliding = make("tr", { className: "slider" }, make("td", { colSpan: others.length }, slider));
    row.after(sliding);
    const [left, right] = [enlarged(), enlarged()];
    const close = button("×", "close", () => place.remove());
    const compared = make("div", { className: "compared" }, left, right, close);
    const place = make("tr", {}, make("td", { colSpan: others.length + 1 }, compared));
    slider.addEventListener("input", () => {
      const chosen = others[slider.value];
      slider.setAttribute("aria-valuetext", chosen.title);
      enlarge(left, first);
      enlarge(right, chosen);
      if (place.isConnected) return;
      sliding.after(place);
      place.scrollIntoView({ block: "nearest" });
    });
  };
  for (const table of document.querySelectorAll("table[data-slider]")) {
    for (const row of [...table.tBodies[0].rows]) addSlider(row, table.dataset.slider);
  }

  // A page that loads itself again waits while a picture is open.
  const seconds = Number(document.body.dataset.refresh);
  if (seconds) setInterval(() => dialog.open || location.reload(), 1000 * seconds);
}
