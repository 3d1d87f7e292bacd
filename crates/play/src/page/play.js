'use strict';
// Better with a script: the dose on a slider with what each breaks, tokens as they are drawn, numbers by pointer and keys.
(() => {
  const $ = (id) => document.getElementById(id);
  const make = (tag, cls, text) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  document.documentElement.classList.add('js');
  const form = $('ask'), alpha = $('alpha'), slide = $('slide'), marks = $('marks'), harm = $('harm');
  const fixed = (v, n) => (v === null || v === undefined ? '–' : v.toFixed(n));
  const body = () => new URLSearchParams(new FormData(form));
  const post = (url, signal, accept) => fetch(url, {
    method: 'POST', body: body(), signal, headers: { accept: accept || 'application/json' }, cache: 'no-store',
  });
  const message = (e) => (e.hint ? `${e.message} (${e.hint})` : e.message);
  const refusal = async (answer) => {
    try { return message((await answer.json()).error); } catch { return `the page answered ${answer.status}`; }
  };
  const note = (text, bad) => {
    const p = make('p', bad ? 'note warning' : 'note');
    if (bad) { p.setAttribute('role', 'alert'); p.append(make('strong', '', 'Not done: ')); }
    p.append(text);
    $('says').append(p);
  };

  // The dose.
  let doses = [], asked = null, timer = 0;
  const step = () => {
    // The usual doses are multiples of it.
    return (Number(slide.max) - Number(slide.min)) / 80 || 0.01;
  };
  const round = (v) => Number(v.toPrecision(6));
  const told = () => {
    const a = Number(alpha.value);
    const unit = form.dataset.unit;
    const own = doses.find((d) => d.alpha === a);
    if (own) {
      harm.textContent = `α ${a} in ${unit}: divergence ${fixed(own.kl, 3)} nats on this prompt${own.damaging ? ', damaging' : ''}.`;
      return;
    }
    const below = doses.filter((d) => d.alpha < a).pop(), above = doses.find((d) => d.alpha > a);
    const near = [below, above].filter(Boolean).map((d) => `${fixed(d.kl, 3)} at ${d.alpha}`).join(' and ');
    harm.textContent = `α ${alpha.value} in ${unit}${near ? `; divergence, nats: ${near}` : ''}.`;
  };
  const choose = (a) => { alpha.value = a; slide.value = a; slide.setAttribute('aria-valuetext', `α ${a}`); told(); };
  const draw = () => {
    marks.replaceChildren();
    const [low, high] = [Number(slide.min), Number(slide.max)];
    const places = [];
    for (const d of doses) {
      if (d.alpha < low || d.alpha > high) continue;
      const at = high > low ? (d.alpha - low) / (high - low) * 100 : 50;
      // One that was only asked for once gives way to a mark beside it.
      if (places.some((p) => Math.abs(p - at) < 9)) continue;
      places.push(at);
      const b = make('button', d.damaging ? 'damaging' : '');
      b.type = 'button';
      const high_ = make('span', 'high'), bar = make('i');
      bar.style.height = `${Math.min(100, d.kl / Number(form.dataset.damaging) * 50)}%`;
      high_.append(bar);
      b.append(high_, make('span', 'unseen', 'α '), make('span', 'at', String(d.alpha)), make('span', 'unseen', ': divergence '),
        make('span', 'nats', fixed(d.kl, 2)), make('span', 'unseen', d.damaging ? ' nats, damaging' : ' nats'));
      b.style.left = `${at}%`;
      b.addEventListener('click', () => choose(d.alpha));
      marks.append(b);
    }
  };
  const measured = (all, marked) => {
    doses = all;
    if (marked && marked.length) {
      const [low, high] = [marked[0], marked[marked.length - 1]];
      // The range first: a value outside of it would be cut.
      slide.min = Math.min(low, 0); slide.max = Math.max(high, 0);
      slide.value = alpha.value;
      doses = all.filter((d) => marked.includes(d.alpha) || d.alpha === Number(alpha.value));
    }
    draw();
    told();
    const rows = $('rows');
    rows.replaceChildren();
    for (const d of all) {
      const now = d.alpha === Number(alpha.value), tr = make('tr', now ? 'now' : ''), th = make('th', 'num', String(d.alpha));
      if (now) tr.setAttribute('aria-current', 'true');
      th.scope = 'row';
      const angles = (d.size || []).map((s) => (s.later || s.first || {}).angle).filter((v) => v !== undefined);
      tr.append(th, make('td', 'num', fixed(d.kl, 3)),
        make('td', 'num', angles.length ? `${Math.max(...angles).toFixed(1)}°` : '–'), make('td', '', d.damaging ? 'damaging' : ''));
      rows.append(tr);
    }
    $('harms').hidden = !all.length;
  };
  let marked = null;
  const ask = async () => {
    if (asked) asked.abort();
    asked = new AbortController();
    const signal = asked.signal;
    try {
      const answer = await post(form.dataset.doses, signal);
      if (!answer.ok) { harm.textContent = await refusal(answer); return; }
      const found = await answer.json();
      marked = found.marks;
      measured(found.doses, marked);
    } catch (e) {
      if (e.name !== 'AbortError') harm.textContent = 'what doses break could not be asked for';
    }
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(ask, 500); };
  slide.addEventListener('input', () => choose(round(Math.round(Number(slide.value) / step()) * step())));
  // Without this a key would not move the slider in such steps: its own step is any.
  slide.addEventListener('keydown', (e) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[e.key];
    const end = { Home: slide.min, End: slide.max }[e.key];
    if (by === undefined && end === undefined) return;
    e.preventDefault();
    const to = end !== undefined ? Number(end) : round(Math.round(Number(alpha.value) / step() + by) * step());
    choose(Math.min(Number(slide.max), Math.max(Number(slide.min), to)));
  });
  alpha.addEventListener('input', () => { slide.value = alpha.value; told(); });
  form.addEventListener('change', (e) => {
    const quiet = ['alpha', 'slide', 'tokens', 'temperature', 'seed'];
    if (!quiet.includes(e.target.id)) later();
  });

  // The texts.
  const sides = ['plain', 'steered'];
  const box = (side, part) => document.querySelector(`#${side} .${part}`);
  const about = (side, text) => { document.querySelector(`#${side} .about`).textContent = text; };
  let colours = null;
  const plainly = (pieces) => {
    const d = make('div', 'tokens');
    for (const p of pieces) d.append(make('span', 't', p.shown));
    return d;
  };
  const readout = $('readout');
  const tell = (t, i) => {
    const d = colours.directions[Number($('by').value) || 0], k = Number($('by').value) || 0;
    readout.textContent = `“${t.shown.trim() || t.shown}” (token ${i}, id ${t.id}): ${fixed(t.projection[k], 4)} on ${d.name} at ${d.site}, cosine ${fixed(t.cosine[k], 3)}`
      + (i === 0 ? '; a first token is left out of the scale' : '');
  };
  // One stop of the tab key a list; arrows go on from there.
  const listed = (all, from, label, k) => {
    const d = make('div', 'tokens');
    d.setAttribute('role', 'list');
    d.setAttribute('aria-label', label);
    all.forEach((t, n) => {
      const s = t.step[k], span = make('span', `t s${s < 0 ? 'n' : 'p'}${Math.abs(s)}`, t.shown);
      span.setAttribute('role', 'listitem');
      span.tabIndex = n === 0 ? 0 : -1;
      span.title = `${fixed(t.projection[k], 4)}, cosine ${fixed(t.cosine[k], 3)}`;
      const show = () => tell(t, from + n);
      span.addEventListener('mouseenter', show);
      span.addEventListener('focus', show);
      d.append(span);
    });
    d.addEventListener('keydown', (e) => {
      const here = [...d.children].indexOf(document.activeElement);
      const last = d.children.length - 1;
      const to = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: last }[e.key];
      if (here < 0 || to === undefined) return;
      e.preventDefault();
      const next = d.children[Math.min(last, Math.max(0, to))];
      d.children[here].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    return d;
  };
  const colour = () => {
    const k = Number($('by').value) || 0, scale = colours.directions[k];
    for (const side of sides) {
      const all = colours[side];
      if (!all.length) continue;
      const title = side === 'plain' ? 'Unsteered' : 'Steered';
      box(side, 'prompt').replaceChildren(listed(all.slice(0, colours.given), 0, `${title}: tokens of the prompt`, k));
      box(side, 'written').replaceChildren(listed(all.slice(colours.given), colours.given, `${title}: generated tokens`, k));
    }
    $('low').textContent = fixed(scale.centre - scale.reach, 3);
    $('high').textContent = fixed(scale.centre + scale.reach, 3);
    $('scale').textContent = `Projection of each token on ${scale.name} at ${scale.site}, in ${scale.unit}; no colour is ${fixed(scale.centre, 3)}, the mean of the unsteered text. The ends are underlined, below the mean with dots.`;
    readout.textContent = 'Point at a token, or go to one with the tab and arrow keys, for its numbers.';
  };
  $('by').addEventListener('change', colour);

  const status = $('status'), stop = $('stop'), run = $('run');
  let running = null, count = {};
  const heard = {
    queued: (e) => { status.textContent = e.place === 1 ? 'One run is before this one.' : `${e.place} runs are before this one.`; },
    started: (e) => {
      status.textContent = 'Writing…';
      for (const side of sides) {
        box(side, 'prompt').replaceChildren(plainly(e.prompt));
        box(side, 'written').replaceChildren(plainly([]));
      }
    },
    token: (e) => {
      box(e.side, 'written').firstChild.append(make('span', 't', e.shown));
      count[e.side] = (count[e.side] || 0) + 1;
      about(e.side, `${count[e.side]} tokens so far`);
    },
    written: (e) => {
      box(e.side, 'written').replaceChildren(plainly(e.pieces));
      box(e.side, 'whole').textContent = e.whole || '';
      const end = e.stopped === 'end_of_text' ? 'ended by the model' : 'cut at the limit';
      about(e.side, `${e.tokens.length} tokens, ${end}, mean log-probability ${fixed(e.logprob_mean, 3)}`);
    },
    colours: (e) => {
      colours = e;
      const by = $('by'), before = by.selectedIndex;
      by.replaceChildren(...e.directions.map((d, i) => { const o = make('option', '', `${d.name} at ${d.site}`); o.value = i; return o; }));
      if (before > 0 && before < e.directions.length) by.selectedIndex = before;
      $('colours').hidden = false;
      colour();
    },
    doses: (e) => measured(e.doses, marked),
    says: (e) => { status.textContent = e.text; },
    warns: (e) => note(e.text),
    failed: (e) => { note(message(e), true); status.textContent = ''; },
    done: (e) => {
      status.textContent = 'Done.';
      if (!box('steered', 'written').textContent && !count.steered) about('steered', 'Nothing is done to the model: the text is the unsteered one.');
      $('link').href = e.link;
      history.replaceState(null, '', e.link);
    },
  };
  const write = async () => {
    if (running) running.abort();
    const mine = running = new AbortController();
    count = {};
    colours = null;
    $('says').replaceChildren();
    $('colours').hidden = true;
    for (const side of sides) { about(side, ''); box(side, 'prompt').replaceChildren(); box(side, 'written').replaceChildren(); box(side, 'whole').textContent = ''; }
    run.textContent = 'Write anew';
    stop.hidden = false;
    status.textContent = 'Asking…';
    try {
      const answer = await post(form.action, mine.signal, 'text/event-stream');
      if (!answer.ok) { note(await refusal(answer), true); status.textContent = ''; return; }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '', ended = false;
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const frames = (rest + value).split('\n\n');
        rest = frames.pop();
        for (const frame of frames) {
          const data = frame.split('\n').filter((l) => l.startsWith('data:')).map((l) => l.slice(5).trimStart()).join('\n');
          if (!data) continue;
          const e = JSON.parse(data);
          ended = ended || e.event === 'done' || e.event === 'failed';
          heard[e.event]?.(e);
        }
      }
      if (!ended) { note('the connection ended before the texts were whole', true); status.textContent = ''; }
    } catch (e) {
      if (e.name === 'AbortError') { if (running === mine) status.textContent = 'Stopped.'; } else { note('the page can’t be reached', true); status.textContent = ''; }
    } finally {
      if (running === mine) { running = null; stop.hidden = true; run.textContent = 'Write'; }
    }
  };
  form.addEventListener('submit', (e) => { e.preventDefault(); write(); });
  form.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); form.requestSubmit(); }
  });
  stop.addEventListener('click', () => { if (running) running.abort(); });
  $('copy').addEventListener('click', async () => {
    try { await navigator.clipboard.writeText($('link').href); $('copy').textContent = 'Copied'; } catch { $('copy').textContent = 'Copy it from the link'; }
    setTimeout(() => { $('copy').textContent = 'Copy the link'; }, 3000);
  });

  // What directions promote, where the page came before it was computed.
  const lifted = (title, all) => {
    const p = make('p', 'end');
    p.append(make('b', '', title), ' ');
    for (const t of all) {
      const span = make('span', 'lifted');
      span.append(make('q', '', t.shown), ' ', make('small', '', fixed(t.logit, 2)));
      p.append(span, ' ');
    }
    return p;
  };
  const lens = async () => {
    if (document.querySelector('.lens')) return;
    try {
      const answer = await fetch(form.dataset.lens, { headers: { accept: 'application/json' } });
      if (!answer.ok) { $('lenses').replaceChildren(make('p', 'hint', await refusal(answer))); return; }
      $('lenses').replaceChildren(...(await answer.json()).lens.map((l) => {
        const d = make('div', 'lens'), h = make('h3', '', `${l.name} `);
        h.append(make('code', '', l.site));
        d.append(h, lifted('promoted', l.promoted), lifted('suppressed', l.suppressed));
        return d;
      }));
    } catch { $('lenses').replaceChildren(make('p', 'hint', 'The tokens could not be asked for.')); }
  };

  choose(Number(alpha.value));
  lens();
  // A link with everything in it runs at once; of other pages the doses alone are measured.
  if (new URLSearchParams(location.search).get('run')) write().then(ask);
  else ask();
})();
