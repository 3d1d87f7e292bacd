'use strict';
(() => {
const D = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const N = D.checkpoints.length, last = N - 1;
const still = matchMedia('(prefers-reduced-motion: reduce)');
let t = last, shown = last, frame = 0, timer = 0;
document.documentElement.classList.add('js');

const esc = s => String(s).replace(/[&<>"]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const num = v => v == null ? '–' : Math.abs(v) >= 1000 || (v !== 0 && Math.abs(v) < 0.001) ? v.toExponential(2) : v.toFixed(3);
const said = m => m[1] == null ? num(m[0]) + ' (no interval)' : `${num(m[0])} [${num(m[1])}, ${num(m[2])}]`;
const key = i => 'k' + Math.min(i, 7);
const mix = (a, b, f) => a + (b - a) * f;
const name = i => (D.stages[i] ? D.stages[i] + ': ' : '') + D.checkpoints[i];
const cls = c => `${c.category}, ${c.positive ? 'positive' : 'negative'} (${c.n} texts)`;

// Ticks at 1, 2 or 5 times a power of ten.
function ticks(lo, hi, n) {
  const raw = (hi - lo) / n || 1, p = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(m => m * p).find(s => s >= raw);
  const out = [];
  for (let v = Math.ceil(lo / step) * step; v <= hi + step * 1e-9; v += step) out.push(+v.toPrecision(12));
  return out;
}
function range(values, zero) {
  let lo = Infinity, hi = -Infinity;
  for (const v of values) if (v != null && isFinite(v)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
  if (zero) { lo = Math.min(lo, 0); hi = Math.max(hi, 0); }
  if (!(lo < hi)) { lo = (isFinite(lo) ? lo : 0) - 1; hi = lo + 2; }
  const pad = (hi - lo) * 0.06;
  return [zero && lo === 0 ? 0 : lo - pad, hi + pad];
}
// Words in as few lines as fit, measured as the style sets them.
const pen = document.createElement('canvas').getContext('2d');
function wide(text, size) {
  pen.font = `${size}px system-ui,sans-serif`;
  return pen.measureText(text).width;
}
function wrapped(text, width) {
  const out = [];
  for (const word of text.split(' ')) {
    const line = out.length ? `${out[out.length - 1]} ${word}` : word;
    if (out.length && wide(line, 12) <= width) out[out.length - 1] = line;
    else out.push(word);
  }
  return out.filter(Boolean);
}
const LINE = 14;
const written = (all, x, y, more) => all.map((line, i) => `<text x="${x}" y="${y + LINE * i}"${more}>${esc(line)}</text>`).join('');
function plane(w, h, X, Y, xl, yl, xt, yt) {
  const L = 56, R = 10, middle = (L + w - R) / 2;
  const under = wrapped(xl, 2 * Math.min(middle, w - middle)), over = wrapped(yl, w);
  const T = 10 + LINE * over.length, B = 26 + LINE * Math.max(1, under.length);
  const x = v => L + (v - X[0]) / (X[1] - X[0]) * (w - L - R), y = v => h - B - (v - Y[0]) / (Y[1] - Y[0]) * (h - T - B);
  let s = written(over, 0, 14, '') + written(under, middle, h - 4 - LINE * (under.length - 1), ' text-anchor="middle"');
  for (const v of yt ?? ticks(Y[0], Y[1], 4)) s += `<line class="g" x1="${L}" x2="${w - R}" y1="${y(v)}" y2="${y(v)}"/><text class="m" x="${L - 6}" y="${y(v) + 4}" text-anchor="end">${num(v).replace(/\.?0+$/, '') || 0}</text>`;
  for (const v of xt ?? ticks(X[0], X[1], 5)) s += `<text class="m" x="${x(v)}" y="${h - B + 16}" text-anchor="middle">${num(v).replace(/\.?0+$/, '') || 0}</text>`;
  return { s: s + `<line class="a" x1="${L}" x2="${w - R}" y1="${h - B}" y2="${h - B}"/>`, x, y, top: T, bottom: h - B };
}
// A drawing is as wide as its place, so that its letters keep their size.
const room = (id, most) => Math.max(280, Math.min(most, $(id).clientWidth));
const svg = (w, h, label, s) => `<svg viewBox="0 0 ${w} ${h}" role="group" aria-label="${esc(label)}">${s}</svg>`;
const tip = (text, s) => s.replace('>', ` data-tip="${esc(text)}" tabindex="0" role="img" aria-label="${esc(text)}">`);

const VIEWS = {
  line: ['projection on the checkpoint’s general direction', 'distance from that line', a => [a.projection[0], a.distance[0]], a => `along ${said(a.projection)}\nfrom the line ${said(a.distance)}`],
  middle: ['projection, from the midpoint of the classes', 'distance from the line through it', a => [a.centred_projection[0], a.centred_distance[0]], a => `along ${said(a.centred_projection)}\nfrom the line ${said(a.centred_distance)}`],
  plane: [`first axis (${(D.shares[0] * 100).toFixed(0)} % of the variance)`, `second axis (${(D.shares[1] * 100).toFixed(0)} %)`, a => a.plane, a => `${num(a.plane[0])}, ${num(a.plane[1])}`],
};
function map() {
  const [xl, yl, at, text] = VIEWS[$('view').value], own = $('own').checked;
  const w = room('map', 860), h = Math.max(280, w * 0.52), i = Math.floor(shown), f = shown - i, j = Math.min(i + 1, last);
  const place = c => { const a = at(c.at[i]), b = at(c.at[j]); return [mix(a[0], b[0], f), mix(a[1], b[1], f)]; };
  const all = own ? D.classes.map(place) : D.classes.flatMap(c => c.at.map(at));
  const P = plane(w, h, range(all.map(p => p[0])), range(all.map(p => p[1]), $('view').value !== 'plane'), xl, yl);
  let s = P.s;
  for (const c of D.classes) {
    const k = key(D.categories.indexOf(c.category));
    if (!own) s += `<polyline class="t ${k}" points="${c.at.slice(0, i + 1).map(at).concat([place(c)]).map(p => `${P.x(p[0])},${P.y(p[1])}`).join(' ')}"/>`;
  }
  for (const c of D.classes) {
    const k = key(D.categories.indexOf(c.category)), p = place(c);
    s += tip(`${cls(c)}\n${text(c.at[Math.round(shown)])}`, `<circle class="p ${k} ${c.positive ? '' : 'down'}" cx="${P.x(p[0])}" cy="${P.y(p[1])}" r="6"></circle>`);
  }
  $('map').innerHTML = svg(w, h, 'Class centroids', s);
}
// Lines over training: rows are {k, down, label, m: [[value, low, high], ...]}.
function lines(id, yl, rows, zero, Y) {
  const w = room(id, 560), h = 230, xt = [];
  const X = N > 1 ? [0, last] : [-1, 1];
  const P = plane(w, h, X, Y ?? range(rows.flatMap(r => r.m.flat()), zero), '', yl, xt);
  let s = P.s;
  D.starts.forEach(([i, stage], n) => { const x = P.x(Math.max(i - 0.5, 0)); s += `<line class="s" x1="${x}" x2="${x}" y1="${P.top}" y2="${P.bottom}"/><text class="m" x="${Math.max(0, Math.min(x + 3, w - wide(stage, 11)))}" y="${P.bottom + 15 + 12 * (n % 2)}">${esc(stage)}</text>`; });
  if (!D.starts.length) D.checkpoints.forEach((c, i) => { if (i === 0 || i === last) s += `<text class="m" x="${P.x(i)}" y="${P.bottom + 15}" text-anchor="${i ? 'end' : 'start'}">${esc(c)}</text>`; });
  s += `<line class="now" x1="${P.x(shown)}" x2="${P.x(shown)}" y1="${P.top}" y2="${P.bottom}"/>`;
  for (const r of rows) s += `<polyline class="l ${r.k} ${r.down ? 'down' : ''}" points="${r.m.map((m, i) => `${P.x(i)},${P.y(m[0])}`).join(' ')}"/>`;
  rows.forEach(r => r.m.forEach((m, i) => { const on = i === t; s += `<circle class="${on ? `p ${r.k} ${r.down ? 'down' : ''}` : 'hit'}" cx="${P.x(i)}" cy="${P.y(m[0])}" r="${on ? 4 : 7}" data-tip="${esc(`${r.label}\n${name(i)}: ${said(m)}`)}"/>`; }));
  $(id).innerHTML = svg(w, h, yl, s);
}
function heat(id, names, cell, mark, label) {
  const n = names.length, L = 96, size = Math.max(12, Math.min(48, 340 / n)), w = L + size * n + 4, h = size * n + 24;
  let s = '';
  const short = v => v.length > 14 ? v.slice(0, 13) + '…' : v;
  for (let r = 0; r < n; r++) {
    if (size > 10) s += `<text class="m" x="${L - 5}" y="${r * size + size / 2 + 4}" text-anchor="end">${esc(short(names[r]))}</text>`;
    for (let c = 0; c < n; c++) {
      const m = cell(r, c), v = m[0] ?? 0;
      s += tip(`${names[r]}, ${names[c]}\ncosine ${m.length > 1 ? said(m) : num(v)}`, `<rect x="${L + c * size}" y="${r * size}" width="${size - 1}" height="${size - 1}" style="fill:color-mix(in oklab,var(--${v < 0 ? 'neg' : 'pos'}) ${Math.abs(v * 100).toFixed(0)}%,var(--soft))"></rect>`).replace('tabindex="0"', n > 12 ? '' : 'tabindex="0"');
      if (size >= 30) s += `<text x="${L + c * size + size / 2}" y="${r * size + size / 2 + 4}" text-anchor="middle" pointer-events="none">${v.toFixed(2)}</text>`;
    }
  }
  if (mark != null) s += `<rect class="box" x="${L}" y="${mark * size}" width="${size * n}" height="${size}" pointer-events="none"/>`;
  $(id).innerHTML = svg(Math.max(w, 240), h, label, s);
}
function draw() {
  map();
  const k = c => key(D.categories.indexOf(c));
  const classes = f => D.classes.map(c => ({ k: k(c.category), down: !c.positive, label: cls(c), m: c.at.map(f) }));
  const spread = $('spread-of').value;
  lines('spread', spread === 'variance' ? 'mean squared distance from the centroid' : 'mean distance from the centroid', classes(a => a[spread]), true);
  lines('norms', 'length of the centroid', classes(a => a.norm), true);
  lines('sizes', 'length of the difference of the class means', D.categories.map((c, i) => ({ k: key(i), label: c, m: D.difference[i] })), true);
  lines('general', 'cosine with the general direction', D.categories.map((c, i) => ({ k: key(i), label: c, m: D.to_general[i] })).filter(r => r.m.length), false, [-1.05, 1.05]);
  heat('across', D.categories, (r, c) => D.across[t][r][c], null, 'Cosines between categories');
  const which = +$('course-of').value;
  heat('course', D.checkpoints.map((_, i) => name(i)), (r, c) => [D.course[which][r][c]], t, 'Cosines across checkpoints');
  table();
}
function table() {
  const row = c => { const a = c.at[t]; return `<tr><th scope="row">${esc(c.category)}</th><td>${c.positive ? 'positive' : 'negative'}</td>${['projection', 'distance', 'norm', 'variance', 'spread'].map(f => `<td class="num">${said(a[f])}</td>`).join('')}</tr>`; };
  $('rows').innerHTML = D.classes.map(row).join('');
  const dir = (c, i) => `<tr><th scope="row">${esc(c)}</th><td class="num">${said(D.difference[i][t])}</td><td class="num">${D.to_general[i].length ? said(D.to_general[i][t]) : '–'}</td></tr>`;
  $('dirs').innerHTML = D.categories.map(dir).join('');
  document.querySelectorAll('.which').forEach(e => { e.textContent = name(t); });
}
function go(to) {
  t = Math.max(0, Math.min(last, to));
  $('step').value = t;
  $('tip').textContent = '';
  $('at').textContent = `${t + 1} of ${N}, ${name(t)}`;
  $('step').setAttribute('aria-valuetext', name(t));
  document.querySelectorAll('.stages span').forEach(e => e.classList.toggle('now', t >= +e.dataset.from && t < +e.dataset.to));
  cancelAnimationFrame(frame);
  if (still.matches) { shown = t; draw(); return; }
  const from = shown, began = performance.now();
  const tween = now => {
    const f = Math.max(0, Math.min(1, (now - began) / 350)); // a frame can begin before the key
    shown = f === 1 ? t : mix(from, t, 1 - (1 - f) ** 3);
    if (f === 1) draw(); else { map(); frame = requestAnimationFrame(tween); }
  };
  table();
  frame = requestAnimationFrame(tween);
}
function play(on) {
  clearInterval(timer);
  timer = 0;
  $('play').textContent = on ? 'Pause' : 'Play';
  $('play').setAttribute('aria-pressed', on);
  if (!on) return;
  if (t === last) go(0);
  timer = setInterval(() => { if (t === last) play(false); else go(t + 1); }, 900);
}
$('step').max = last;
$('step').addEventListener('input', e => { play(false); go(+e.target.value); });
$('play').addEventListener('click', () => play(!timer));
for (const id of ['view', 'own', 'spread-of', 'course-of']) $(id).addEventListener('change', draw);
document.addEventListener('keydown', e => {
  if (e.key === 'Escape') $('tip').textContent = '';
  if (e.target.matches('input,select,button') || e.ctrlKey || e.metaKey || e.altKey) return;
  const to = { ArrowLeft: t - 1, ArrowRight: t + 1, Home: 0, End: last }[e.key];
  if (to !== undefined) { play(false); go(to); e.preventDefault(); }
  if (e.key === ' ') { play(!timer); e.preventDefault(); }
});
function show(e, x, y) {
  const el = e.target.closest('[data-tip]'), box = $('tip');
  box.textContent = el ? el.dataset.tip : '';
  if (!el) return;
  const r = el.getBoundingClientRect(), left = x ?? r.right, top = y ?? r.bottom;
  box.style.left = Math.max(4, Math.min(left + 12, innerWidth - box.offsetWidth - 4)) + 'px';
  box.style.top = Math.max(4, Math.min(top + 12, innerHeight - box.offsetHeight - 4)) + 'px';
}
document.addEventListener('pointermove', e => show(e, e.clientX, e.clientY));
addEventListener('resize', draw);
document.addEventListener('focusin', e => show(e));
go(last);
shown = last;
cancelAnimationFrame(frame);
draw();
})();
