// The arena in a browser: a text submitted and its place, copies, the budget, limits, play with α, the operator, a closed season,
// no script, axe, screens.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, check, end, equal, fits, open, serve, shot, step } from './browser.mjs';

const [program, work] = process.argv.slice(2);
const key = 'the-operators-key-of-this-test';
writeFileSync(join(work, 'key'), `${key}\n`, { mode: 0o600 });
const { url } = await serve(program, ['arena', 'serve', join(work, 'arena'), '--listen', '127.0.0.1:0', '--hops', '1',
  '--operator-key-file', join(work, 'key'), '--play', '--play-max-tokens', '24', '--no-cache', '--quiet']);

// Refusals are answers of their own status, which a browser logs.
const refusals = [/status of 4\d\d/];
// Each page is a client of its own, so that a test has the limits to itself.
let client = 0;
const visit = async (options = {}) => {
  const page = await open({ expected: refusals, ...options });
  await page.context().setExtraHTTPHeaders({ 'x-forwarded-for': `10.9.0.${++client}` });
  return page;
};
const submit = async (page, text, { kind = 'words', handle = 'ada' } = {}) => {
  await page.goto(`${url}/submit`);
  await page.fill('#text', text);
  await page.fill('#handle', handle);
  await page.selectOption('#kind', kind);
  await page.check('#consent');
  await page.click('#submit-form button');
};
const scored = (page) => page.waitForSelector('#place-h');

step('a text is submitted, and the page says its place and its neighbours', async () => {
  const page = await visit();
  await page.goto(url);
  check((await page.textContent('main')).includes('Nothing here yet'), 'an empty board says so');
  await submit(page, 'the old red hat on a shelf');
  await page.waitForURL('**/entry/1');
  await scored(page);
  check((await page.textContent('.lead')).includes('Place 1 of 1'), 'the first place');
  const filler = await visit();
  for (const [text, kind] of [['no tin at all', 'words'], ['a cup of tin', 'prose'], ['hat hat hat', 'soup'], ['new shelf for old cups', 'prose'], ['tin tin tin red', 'soup']]) {
    await submit(filler, text, { kind, handle: 'grace' });
    await filler.waitForURL('**/entry/*');
    await scored(filler);
  }
  await page.reload();
  check((await page.textContent('.lead')).includes('of 6'), 'a place among six');
  equal(await page.$$eval('tr.mine', (all) => all.length), 1, 'its own row is marked');
  check(await page.isVisible('.plot.wide svg'), 'the shifts are drawn');
  await page.goto(url);
  equal(await page.$$eval('.boards section', (all) => all.length), 2, 'both ends');
  equal(await page.$$eval('.boards section:first-child tbody tr', (all) => all.length), 6, 'rows');
});

step('tokens are counted as one types, and too many are refused', async () => {
  const page = await visit();
  await page.goto(`${url}/submit`);
  await page.fill('#text', 'a red hat');
  await page.waitForFunction(() => /^\d+ of 40 tokens/.test(document.getElementById('count').textContent));
  await page.fill('#text', 'hat '.repeat(60));
  await page.waitForSelector('#count.over');
  await submit(page, 'hat '.repeat(60));
  check((await page.textContent('#problem')).includes('40 are taken at most'), 'over budget');
  equal(await page.evaluate(() => document.activeElement.id), 'problem', 'the refusal has the focus');
  check((await page.inputValue('#text')).startsWith('hat hat'), 'the text is kept');
});

step('a copy is refused with the earlier entry and its score', async () => {
  const page = await visit();
  await submit(page, 'The old RED hat on a shelf');
  const said = await page.textContent('#problem');
  check(said.includes('a copy of an earlier one') && said.includes('entry 1') && said.includes('score'), said);
  await submit(page, 'the old red hat on a shelf too');
  check((await page.textContent('#problem')).includes('a near copy'), 'a near copy');
});

step('a limit is said when it is reached', async () => {
  const page = await visit();
  for (let i = 0; i < 8; i++) {
    await submit(page, `limit ${i} cup${i} old${i * 3}`);
    await page.waitForURL('**/entry/*');
  }
  await submit(page, 'one more than is taken');
  check((await page.textContent('#problem')).includes('8 submissions a minute'), 'the limit');
});

step('it works without a script', async () => {
  const page = await visit({ script: false });
  await submit(page, 'without any script at all');
  await page.waitForURL('**/entry/*');
  for (let i = 0; i < 50 && !(await page.$('#place-h')); i++) {
    await page.waitForTimeout(100);
    await page.reload();
  }
  check(await page.isVisible('#place-h'), 'its place');
  for (const path of ['/', '/board/top', '/board/bottom', '/plot', '/how', '/limitations', '/seasons', '/season/hats-1']) {
    await page.goto(url + path);
    check(await page.isVisible('h1'), path);
  }
});

step('markup of users is text', async () => {
  const page = await visit();
  await submit(page, '<b onmouseover=alert(1)>hat</b> \u202e tin');
  await page.waitForURL('**/entry/*');
  await scored(page);
  check((await page.textContent('blockquote')).includes('<b onmouseover=alert(1)>hat</b> [U+202E] tin'), 'shown as it is');
  equal(await page.$$eval('blockquote b', (all) => all.length), 0, 'no element of it');
});

const written = (page) => page.waitForFunction(() => document.getElementById('status').textContent === 'Done.');
const texts = (page) => page.evaluate(() => ['plain', 'steered'].map((s) => document.querySelector(`#${s} .written`).textContent));
let link, wrote;

step('play with α', async () => {
  const page = await visit();
  await page.goto(url);
  await page.click('nav a[href="/play"]');
  await page.waitForURL('**/play');
  await page.waitForSelector('#marks button');
  equal(await page.$$eval('#marks button', (all) => all.length), 7, 'marked doses');
  check((await page.textContent('#marks button:first-child')).startsWith('α -0.2: divergence '), 'a mark says what it breaks');
  await page.waitForSelector('.lens .lifted');
  equal(await page.getAttribute('#tokens', 'max'), '24', 'its own limit');
  await page.fill('#prompt', 'the old hat');
  await page.focus('#slide');
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  equal(await page.inputValue('#alpha'), '0.195', 'the dose on the slider');
  await page.click('#run');
  await written(page);
  wrote = await texts(page);
  check(wrote[0].length > 0 && wrote[1].length > 0 && wrote[0] !== wrote[1], `two texts: ${wrote}`);
  equal(await page.$$eval('.pair .text', (all) => all.filter((e) => e.offsetWidth > 0).map((e) => Math.round(e.getBoundingClientRect().top)).filter((y, i, ys) => y === ys[0]).length), 2, 'side by side');
  check(await page.$$eval('.t.sp4, .t.sn4', (all) => all.length) > 0, 'tokens have colours');
  link = await page.evaluate(() => document.getElementById('link').href);
  check(link.startsWith(`${url}/play?`) && link.includes('alpha=0.195'), `the link: ${link}`);
  const other = await visit();
  await other.goto(link);
  await written(other);
  equal(await texts(other), wrote, 'the texts of the link');
  await page.click('header .site a');
  await page.waitForURL(`${url}/`);
  check(await page.isVisible('.boards'), 'the way back to the board');
});

step('the playground says what it does not take', async () => {
  const page = await visit();
  await page.goto(`${url}/play`);
  await page.evaluate(() => { document.querySelector('.more').open = true; });
  await page.fill('#tokens', '25');
  await page.click('#run');
  await page.waitForSelector('[role=alert]');
  const said = await page.textContent('[role=alert]');
  check(said.includes('from 1 to 24'), `too many tokens: ${said}`);
  const asked = await page.evaluate(async () => {
    const all = [];
    for (let i = 0; i < 40; i++) all.push((await fetch('/play/run', { method: 'POST', body: new URLSearchParams({ prompt: '' }) })).status);
    return all;
  });
  equal(asked.at(-1), 429, 'too many runs in a minute');
  await page.click('#run');
  await page.waitForFunction(() => document.querySelector('[role=alert]')?.textContent.includes('too many runs in a minute'));
});

step('the playground works without a script', async () => {
  const page = await visit({ script: false });
  await page.goto(url);
  await page.click('nav a[href="/play"]');
  await page.fill('#prompt', 'the old hat');
  await page.fill('#alpha', '0.195');
  await page.click('#run');
  await page.waitForSelector('#plain .written .t');
  equal(await texts(page), wrote, 'the texts without a script');
  check(await page.$$eval('.t.sp4, .t.sn4', (all) => all.length) > 0, 'tokens have colours');
  check(await page.$$eval('#rows tr', (all) => all.length) >= 7, 'doses in a table');
  await fits(page, 'the playground without a script');
  await shot(page, 'play-no-script');
  const copy = await visit();
  await copy.setContent(await page.content());
  await accessible(copy, 'the playground without a script');
  await page.click('#link');
  equal(await page.inputValue('#alpha'), '0.195', 'the settings of the link');
  await page.click('header .site a');
  check(await page.isVisible('.boards'), 'the way back to the board');
});

step('axe finds nothing serious, and nothing is too wide', async () => {
  for (const [width, dark] of [[1280, false], [1280, true], [400, false], [400, true]]) {
    const page = await visit({ width, dark });
    for (const [path, as] of [['/', 'board'], ['/entry/1', 'entry'], ['/submit', 'submit'], ['/plot', 'plot'], ['/how', 'how'],
      ['/limitations', 'limitations'], ['/seasons', 'seasons'], ['/season/hats-1', 'season'], ['/board/bottom', 'bottom'], ['/operator', 'operator']]) {
      await page.goto(url + path);
      const where = `${as} at ${width}, ${dark ? 'dark' : 'light'}`;
      await accessible(page, where);
      await fits(page, where);
      await shot(page, `${as}-${width}-${dark ? 'dark' : 'light'}`);
    }
    await page.goto(link);
    await written(page);
    await page.waitForSelector('#marks button');
    await page.waitForSelector('.lens .lifted');
    const where = `play at ${width}, ${dark ? 'dark' : 'light'}`;
    await accessible(page, where);
    await fits(page, where);
    await shot(page, `play-${width}-${dark ? 'dark' : 'light'}`);
  }
});

step('pages are used by keys alone', async () => {
  const page = await visit();
  await page.goto(url);
  await page.keyboard.press('Tab');
  equal(await page.evaluate(() => document.activeElement.className), 'skip', 'the way past the links');
  await page.keyboard.press('Enter');
  check(page.url().endsWith('#main'), 'it leads to the content');
});

step('the operator hides an entry, and closes the season', async () => {
  const page = await visit();
  await page.goto(`${url}/operator`);
  await page.fill('#key', 'not the key of this one');
  await page.click('main button');
  check((await page.textContent('[role=alert]')).includes('not known'), 'a wrong key');
  await page.fill('#key', key);
  await page.click('main button');
  await page.waitForSelector('#entries-h');
  await accessible(page, 'the operator');
  await shot(page, 'operator-inside');
  const row = page.locator('tr', { hasText: 'the old red hat on a shelf' });
  await row.locator('input[name=why]').fill('a test');
  await row.locator('button').click();
  await page.waitForSelector('[role=status]');
  check((await page.textContent('[role=status]')).includes('hidden'), 'it is hidden');
  const reader = await visit();
  await reader.goto(url);
  check(!(await reader.textContent('main')).includes('the old red hat on a shelf'), 'not on the board');
  equal((await reader.goto(`${url}/entry/1`)).status(), 404, 'no page of its own');
  await page.goto(`${url}/operator`);
  await page.locator('button', { hasText: 'Close the season' }).click();
  await page.waitForSelector('[role=status]');
  await reader.goto(`${url}/submit`);
  check((await reader.textContent('main')).includes('is closed'), 'the form says that it is closed');
  await shot(reader, 'closed');
  const told = spawnSync(program, ['arena', 'season', 'list', '--dir', join(work, 'arena'), '--json']);
  equal(JSON.parse(told.stdout)[0].state, 'closed', 'the season');
});

await end();
