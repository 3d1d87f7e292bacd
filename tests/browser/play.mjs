// The playground in a browser: a run, tokens as they come, the slider by keys, a link that reproduces, no script, axe, screens.
import { accessible, check, end, equal, fits, open, serve, shot, step } from './browser.mjs';

const [program, model, ...directions] = process.argv.slice(2);
const args = ['play', '--model', model, '--listen', '127.0.0.1:0', '--no-cache', '--quiet', '--max-new-tokens', '24', '--prompt', 'the old hat'];
const { url } = await serve(program, [...args, ...directions.flatMap((d) => ['--direction', d])]);

const done = (page) => page.waitForFunction(() => document.getElementById('status').textContent === 'Done.');
const texts = (page) => page.evaluate(() => ['plain', 'steered'].map((s) => document.querySelector(`#${s} .written`).textContent));

let first, link;

step('the marks say what doses break, and the lens what directions promote', async () => {
  const page = first = await open();
  await page.goto(url);
  await page.waitForSelector('#marks button');
  const marks = await page.$$eval('#marks button', (all) => all.map((b) => b.textContent));
  check(marks.length === 7 && marks[0].startsWith('α -0.2: divergence '), `marks: ${marks}`);
  check(marks[3].startsWith('α 0: divergence 0.00'), `the mark of 0: ${marks[3]}`);
  await page.waitForSelector('.lens .lifted');
  equal(await page.$$eval('.lens', (all) => all.length), directions.length, 'directions with their tokens');
});

step('the slider is moved by keys', async () => {
  const page = first;
  await page.focus('#slide');
  await page.keyboard.press('Home');
  equal(await page.inputValue('#alpha'), '-0.2', 'the least dose');
  await page.keyboard.press('ArrowRight');
  equal(await page.inputValue('#alpha'), '-0.195', 'a step on');
  await page.keyboard.press('PageUp');
  equal(await page.inputValue('#alpha'), '-0.145', 'ten steps on');
  await page.keyboard.press('End');
  equal(await page.inputValue('#alpha'), '0.2', 'the greatest dose');
  check((await page.textContent('#harm')).includes('divergence'), 'the dose says what it breaks');
  await page.focus('#marks button:nth-child(7)');
  await page.keyboard.press('Enter');
  equal(await page.inputValue('#alpha'), '0.2', 'a mark by keys');
  await page.fill('#alpha', '1.5');
  equal(Number(await page.inputValue('#slide')), 0.2, 'the slider stays at its end for a dose beyond it');
});

step('tokens are drawn as they arrive, then their colours', async () => {
  const page = first;
  // The answer of the server, handed to the page event by event: a tiny model writes faster than a browser draws.
  await page.evaluate(() => {
    const asked = window.fetch;
    window.fetch = async (address, options) => {
      if (!String(address).endsWith('/run')) return asked(address, options);
      window.fetch = asked;
      const answer = await asked(address, options);
      const frames = (await answer.text()).split('\n\n').filter((f) => f.startsWith('data:'));
      window.frames_ = frames.map((f) => JSON.parse(f.slice(5)).event);
      const stream = new ReadableStream({ start: (to) => { window.next = () => (frames.length ? to.enqueue(new TextEncoder().encode(`${frames.shift()}\n\n`)) : to.close()); } });
      return new Response(stream, { headers: answer.headers });
    };
  });
  await page.focus('#prompt');
  await page.keyboard.press('Control+Enter');
  await page.waitForFunction(() => window.next);
  const events = await page.evaluate(() => window.frames_);
  let tokens = 0;
  for (const event of events) {
    await page.evaluate(() => window.next());
    if (event !== 'token') continue;
    tokens += 1;
    await page.waitForFunction((n) => document.querySelectorAll('.written .t').length === n, tokens);
    check(!(await page.isVisible('#colours')), 'no colours before the texts are whole');
    if (tokens >= 20) break;
  }
  check(tokens === 20, `events: ${events}`);
  for (let left = events.length; left >= 0; left -= 1) await page.evaluate(() => window.next()).catch(() => {});
  await done(page);
  const [plain, steered] = await texts(page);
  check(plain.length > 0 && steered.length > 0 && plain !== steered, `two texts: ${plain} | ${steered}`);
  check(await page.$$eval('.t.sp4, .t.sn4', (all) => all.length) > 0, 'tokens have colours');
  check(page.url().includes('seed=0') && page.url().includes('alpha=1.5'), `the address has the settings: ${page.url()}`);
  await page.hover('#plain .written .t:nth-child(3)');
  check(/: -?\d+\.\d{4} on /.test(await page.textContent('#readout')), 'numbers by pointer');
  await page.focus('#steered .written [tabindex="0"]');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  check((await page.textContent('#readout')).includes('cosine'), 'numbers by keys');
  equal(await page.$$eval('#steered .written [tabindex="0"]', (all) => all.length), 1, 'one stop of the tab key');
  if (directions.length > 1) {
    await page.check(`input[name=direction] >> nth=1`);
    await page.click('#run');
    await done(page);
    await page.selectOption('#by', '1');
    check((await page.textContent('#scale')).includes(' at resid'), 'another direction colours');
  }
});

step('a link reproduces the texts, also drawn ones', async () => {
  const page = first;
  await page.evaluate(() => { document.querySelector('.more').open = true; });
  await page.fill('#temperature', '0.9');
  await page.fill('#seed', '7');
  await page.fill('#alpha', '-0.15');
  await page.click('#run');
  await done(page);
  link = await page.evaluate(() => document.getElementById('link').href);
  await page.click('#copy');
  await page.waitForFunction(() => document.getElementById('copy').textContent === 'Copied');
  equal(await page.evaluate(() => navigator.clipboard.readText()), link, 'the link that is copied');
  const other = await open();
  await other.goto(link);
  await done(other);
  equal(await texts(other), await texts(page), 'the texts of the link');
  equal(await other.inputValue('#seed'), '7', 'the seed of the link');
});

step('what is wrong is said, a run is stopped, a second run takes the place of the first', async () => {
  const page = await open({ expected: [/status of 422/] });
  await page.goto(url);
  await page.fill('#positions', 'middle');
  await page.click('#run');
  await page.waitForSelector('[role=alert]');
  check((await page.textContent('[role=alert]')).includes('middle'), 'the value that is wrong');
  await page.fill('#positions', 'all');
  await page.fill('#prompt', '<img src=x onerror=alert(1)> \u202e\u200b');
  await page.click('#run');
  await done(page);
  equal(await page.$$eval('img', (all) => all.length), 0, 'markup is text');
  check(!/[\u200b-\u200f\u202a-\u202e]/.test(await page.textContent('main')), 'what can not be seen is shown, or no token of the model');
  check((await page.textContent('#plain .prompt')).includes('<img'), 'markup is shown');
  await page.click('#run');
  await page.click('#run');
  await done(page);
  await page.click('#run');
  await page.click('#stop', { timeout: 2000 }).catch(() => {});
  await page.waitForFunction(() => ['Stopped.', 'Done.'].includes(document.getElementById('status').textContent));
});

step('without a script a form is answered with the page', async () => {
  const page = await open({ script: false, expected: [/status of 422/] });
  await page.goto(link);
  equal(await page.inputValue('#seed'), '7', 'the settings of the link');
  check(!(await page.isVisible('#slide')) && await page.isVisible('#alpha'), 'the dose is a number');
  await page.click('#run');
  await page.waitForSelector('#plain .written .t');
  equal(await texts(page), await texts(first), 'the texts without a script');
  check(await page.$$eval('#rows tr', (all) => all.length) >= 7, 'doses in a table');
  check(await page.$$eval('.t.sp4, .t.sn4', (all) => all.length) > 0, 'tokens have colours');
  await accessible(await open().then(async (p) => { await p.setContent(await page.content()); return p; }), 'the answer without a script');
  await fits(page, 'without a script');
  await shot(page, 'no-script-1280');
  await page.fill('#alpha', '1e9');
  await page.click('#run');
  await page.waitForSelector('[role=alert]');
  check((await page.textContent('[role=alert]')).includes('1000000000'), 'what is wrong is said');
});

step('screens of two sizes in two schemes, and axe', async () => {
  for (const [width, dark] of [[1280, false], [1280, true], [400, false], [400, true]]) {
    const page = await open({ width, dark });
    await page.goto(link.replace('temperature=0.9', 'temperature=0'));
    await done(page);
    await page.waitForSelector('#marks button');
    await page.waitForSelector('.lens .lifted');
    const where = `${width}-${dark ? 'dark' : 'light'}`;
    await fits(page, where);
    await shot(page, where);
    await accessible(page, where);
    await page.context().close();
  }
});

await end();
