// What the browser tests share: a Chromium whose pages fail the test when they log an error, axe, screenshots.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

const folder = process.env.TRUENORTH_BROWSER;
if (!folder || !process.env.TRUENORTH_CHROMIUM) throw new Error('run this by its script in .ci, which says where the browser is');
const load = createRequire(join(folder, 'package.json'));
const { chromium } = load('playwright-core');
const axe = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');

export const name = basename(process.argv[1], '.mjs');
export const shots = join(folder, name);
mkdirSync(shots, { recursive: true });

export const check = (holds, what) => { if (!holds) throw new Error(what); };
export const equal = (found, want, what) =>
  check(JSON.stringify(found) === JSON.stringify(want), `${what}: found ${JSON.stringify(found)}, expected ${JSON.stringify(want)}`);

// A program that prints its address as a first line; ended with the test.
export const serve = (program, args, options = {}) => new Promise((done, fail) => {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let out = '', err = '';
  child.stderr.on('data', (b) => { err += b; });
  child.stdout.on('data', (b) => {
    out += b;
    if (out.includes('\n')) done({ url: out.split('\n')[0].trim(), child, log: () => err });
  });
  child.on('exit', (code) => fail(new Error(`${program} ended with ${code} before it listened: ${err}`)));
  process.on('exit', () => child.kill('SIGKILL'));
});

const browser = await chromium.launch({ executablePath: process.env.TRUENORTH_CHROMIUM, args: ['--no-sandbox'] });
const errors = [];

// A page with a size, a colour scheme, and a script or none. What it logs as an error fails the test at `end`, unless it
// is expected: the answer to a form that is refused is one.
export const open = async ({ width = 1280, height = 900, dark = false, script = true, expected = [] } = {}) => {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', javaScriptEnabled: script,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  const told = (text) => { if (!expected.some((e) => e.test(text))) errors.push(text); };
  page.on('console', (m) => { if (m.type() === 'error') told(`${page.url()}: ${m.text()}`); });
  page.on('pageerror', (e) => told(`${page.url()}: ${e.stack}`));
  page.on('requestfailed', (r) => { if (r.failure()?.errorText !== 'net::ERR_ABORTED') told(`${r.url()}: ${r.failure()?.errorText}`); });
  page.setDefaultTimeout(30_000);
  return page;
};

// Findings of axe that hinder people much.
export const accessible = async (page, where) => {
  // By the protocol, not by an element of the page, which its policy forbids.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  for (const v of violations) console.log(`  axe, ${v.impact}, ${where}: ${v.id} (${v.nodes.length}) ${v.nodes[0]?.html.slice(0, 120)} ${v.nodes[0]?.failureSummary?.replace(/\s+/g, ' ').slice(0, 240)}`);
  check(serious.length === 0, `axe has ${serious.length} serious findings: ${where}`);
};

// Nothing is wider than the page.
export const fits = async (page, where) => {
  const [whole, shown] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  check(whole <= shown, `the page is ${whole} wide in a window of ${shown}: ${where}`);
};

export const shot = async (page, as) => {
  await page.screenshot({ path: join(shots, `${as}.png`), fullPage: true });
};

const steps = [];
export const step = (what, does) => steps.push([what, does]);

// Runs the steps in order; a failing one leaves its name.
export const end = async () => {
  let code = 0;
  for (const [what, does] of steps) {
    try {
      await does();
      if (errors.length) throw new Error(`a page logged errors:\n${errors.splice(0).join('\n')}`);
      console.log(`ok: ${what}`);
    } catch (e) {
      console.error(`FAILED: ${what}\n${e.stack}`);
      code = 1;
      break;
    }
  }
  await browser.close();
  process.exit(code);
};
