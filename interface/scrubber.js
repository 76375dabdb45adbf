// The age slider. The server sends frames as data addresses (interface/series.py), so that moving it asks nobody.
const find = (selector) => element.querySelector(selector);
const [after, before, slider, wipe, play] = ['.after', '.before', '.ages', '.wipe', '.play'].map(find);
const KINDS = {age: 'This age', row: 'Row', mp4: 'Video', gif: 'GIF', webp: 'WebP'};
let view = {series: null, frames: {}, ages: [], classes: []};
let timer = null;

// The frame that is there and nearest to the chosen age.
function nearest(index) {
  let best = null;
  for (const key of Object.keys(view.frames)) {
    if (best === null || Math.abs(key - index) < Math.abs(best - index)) best = Number(key);
  }
  return best;
}

function show() {
  const shown = nearest(Number(slider.value));
  if (shown === null) return;
  after.src = view.frames[shown];
  after.dataset.index = shown;
  find('output').textContent = view.ages[shown];
  slider.setAttribute('aria-valuetext', view.ages[shown]);
}

function setWipe(share) {
  wipe.value = share;
  element.style.setProperty('--wipe', `${share}%`);
}

function stop() {
  clearInterval(timer);
  timer = null;
  play.textContent = 'Play';
}

// There and back, 20 frames a second.
function start() {
  let step = Number(slider.value) < Number(slider.max) ? 1 : -1;
  play.textContent = 'Pause';
  timer = setInterval(() => {
    slider.value = Number(slider.value) + step;
    if (slider.value === slider.max || slider.value === slider.min) step = -step;
    show();
  }, 50);
}

function receive() {
  const next = props.value;
  if (!next || !next.frames) return;
  const fresh = next.series !== view.series;
  view = next;
  const done = Object.keys(view.frames).length, total = view.ages.length;
  if (fresh) {
    before.src = view.before;
    after.removeAttribute('src');
    slider.max = total - 1;
    find('.classes').replaceChildren(...view.classes.map((name) => {
      const tick = document.createElement('span');
      tick.textContent = name;
      return tick;
    }));
    element.classList.add('ready');
    if (element.getBoundingClientRect().top > window.innerHeight * 0.6) find('.stage').scrollIntoView({behavior: 'smooth'});
  }
  find('.progress').textContent = done < total ? `${done} of ${total} pictures` : '';
  element.dataset.done = done;
  for (const control of element.querySelectorAll('input, .play')) control.disabled = done === 0;
  for (const button of element.querySelectorAll('[data-kind]')) button.disabled = !done || done < total && button.dataset.kind !== 'age';
  show();
}

for (const kind of props.kinds) {
  const button = document.createElement('button');
  button.type = 'button';
  button.disabled = true;
  button.dataset.kind = kind;
  button.textContent = KINDS[kind];
  button.addEventListener('click', () => trigger('save', {kind, index: Number(after.dataset.index)}));
  find('.downloads').append(button);
}
slider.addEventListener('input', () => { stop(); show(); });
wipe.addEventListener('input', () => setWipe(wipe.value));
play.addEventListener('click', () => timer ? stop() : start());
// A portrait is square, but a photo has its own shape.
before.addEventListener('load', () => {
  find('.stage').style.aspectRatio = `${before.naturalWidth} / ${before.naturalHeight}`;
});
// A finger or mouse on the picture moves the edge between before and after.
find('.stage').addEventListener('pointermove', (event) => {
  if (event.buttons !== 1 || wipe.disabled) return;
  const box = event.currentTarget.getBoundingClientRect();
  setWipe(Math.round(100 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))));
});
watch('value', receive);
receive();
