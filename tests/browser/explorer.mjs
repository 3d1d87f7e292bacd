// The page of checkpoints that `geometry --report` writes: slider, pointer, keys, two sizes and schemes, axe.
import { pathToFileURL } from 'node:url';
import { accessible, check, end, equal, fits, open, shot, step } from './browser.mjs';

const url = pathToFileURL(process.argv[2]).href;
const at = (page) => page.textContent('#at');
const places = (page) => page.$$eval('#map circle.p', (all) => all.map((c) => [c.getAttribute('cx'), c.getAttribute('cy')]));
// A move is drawn over a third of a second; then nothing moves.
const settled = async (page) => {
  for (let before = null, now = await places(page); JSON.stringify(before) !== JSON.stringify(now);) {
    await page.waitForTimeout(450);
    [before, now] = [now, await places(page)];
  }
};

let page, count;

step('the page begins at the last checkpoint', async () => {
  page = await open();
  await page.goto(url);
  count = Number(await page.getAttribute('#step', 'max')) + 1;
  check(count > 2, `checkpoints: ${count}`);
  check((await at(page)).startsWith(`${count} of ${count}, `), `where it begins: ${await at(page)}`);
  check((await places(page)).length >= 2, 'centroids are drawn');
});

step('the slider and the keys move it, and the numbers follow', async () => {
  const [rows, drawn] = [await page.textContent('#rows'), await places(page)];
  await page.focus('#step');
  await page.keyboard.press('Home');
  check((await at(page)).startsWith(`1 of ${count}`), `the first: ${await at(page)}`);
  await settled(page);
  check(await page.textContent('#rows') !== rows, 'the table is that of the first checkpoint');
  check(JSON.stringify(await places(page)) !== JSON.stringify(drawn), 'the centroids moved');
  await page.keyboard.press('ArrowRight');
  check((await at(page)).startsWith(`2 of ${count}`), `a step on: ${await at(page)}`);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('ArrowRight');
  check((await at(page)).startsWith(`3 of ${count}`), `without the slider: ${await at(page)}`);
  await page.keyboard.press('End');
  await settled(page);
  equal(await page.textContent('#rows'), rows, 'the table of the last checkpoint');
  equal(await places(page), drawn, 'the centroids of the last checkpoint');
});

step('it plays and stops', async () => {
  await page.click('#play');
  equal(await page.getAttribute('#play', 'aria-pressed'), 'true', 'the button while it plays');
  await page.waitForFunction(() => document.getElementById('at').textContent.startsWith('2 of'));
  await page.click('#play');
  const stopped = await at(page);
  await page.waitForTimeout(1200);
  equal(await at(page), stopped, 'where it stopped');
});

step('numbers by pointer and by keys', async () => {
  await settled(page);
  // The last one lies on top of any that it meets.
  await page.locator('#map circle.p').last().hover();
  const told = await page.textContent('#tip');
  check(/texts\)/.test(told) && /\d\.\d/.test(told), `by pointer: ${told}`);
  await page.keyboard.press('Escape');
  equal(await page.textContent('#tip'), '', 'Escape ends it');
  await page.focus('#map circle.p >> nth=1');
  check(/texts\)/.test(await page.textContent('#tip')), 'by keys');
  for (const view of ['middle', 'plane', 'line']) {
    await page.selectOption('#view', view);
    check((await places(page)).every((p) => p.every((v) => Number.isFinite(Number(v)))), `places are numbers: ${view}`);
  }
  await page.selectOption('#spread-of', 'spread');
  await page.check('#own');
});

step('without a script the last checkpoint is there', async () => {
  const still = await open({ script: false });
  await still.goto(url);
  check(!(await still.isVisible('#step')) && await still.isVisible('#map svg'), 'a drawing and no slider');
  check((await still.textContent('#rows')).length > 20, 'the numbers');
  await fits(still, 'without a script');
});

// Texts of drawings that stick out of them, at whatever width.
const cut = (page) => page.$$eval('.panel svg', (all) => all.flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter((t) => {
    const own = t.getBoundingClientRect();
    return own.width > 0 && (own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1);
  }).map((t) => t.textContent);
}));

step('no label is cut, whatever the view and the width', async () => {
  for (const width of [320, 480, 1280]) {
    const one = await open({ width });
    await one.goto(url);
    for (const view of ['line', 'middle', 'plane']) {
      await one.selectOption('#view', view);
      equal(await cut(one), [], `cut labels at ${width}, ${view}`);
    }
    const still = await open({ width, script: false });
    await still.goto(url);
    await shot(still, `still-${width}`);
    await one.context().close();
  }
});

step('screens of three sizes in two schemes, and axe', async () => {
  for (const [width, dark] of [[1280, false], [1280, true], [480, false], [480, true], [320, false]]) {
    const one = await open({ width, dark });
    await one.goto(url);
    const where = `${width}-${dark ? 'dark' : 'light'}`;
    await fits(one, where);
    await shot(one, where);
    await accessible(one, where);
    await one.context().close();
  }
});

await end();
