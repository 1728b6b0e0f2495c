// The settings page in a real browser, with the real host and the provider sandbox behind it. The tests build on each
// other, in this order: one person's way from the first log-in to the last disconnect.
//   node settings_page.mjs BUILD_FOLDER
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CalendarServer } from './calendar_server.mjs';
import { contrastProblems, sidewaysOverflow } from './inspections.mjs';
import { Installation } from './programs.mjs';

const source = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const build = path.resolve(process.argv[2] ?? path.join(source, 'build/dev'));
const artifacts = path.join(build, 'artifacts');
const site = new Installation(build, source);
const gmail = 'john@gmail.example';
// ms that anything may take before it counts as not happening; more under a sanitizer
const patience = 1000 * Number(process.env.CALBRIDGE_TEST_DEADLINE ?? 60);

const launching = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  chromiumSandbox: false,
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync'],
};

let profile;
let context;
let page;
const complaints = []; // what the console and the content policy said

/** Tries until `condition` gives something true, and gives that; fails with `what` when it never does. */
async function eventually(what, condition) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) assert.fail(`${what} did not happen within ${patience} ms`);
    await page.waitForTimeout(100); // between looks
  }
}

async function seesText(text) {
  await page.getByText(text).first().waitFor({ timeout: patience });
}

/** Keeps what the browser shows: the whole page, or the window when a dialog covers it. */
async function picture(name, of = page) {
  const fullPage = (await of.locator('dialog[open]').count()) === 0;
  await of.screenshot({ path: path.join(artifacts, `${name}.png`), fullPage, animations: 'disabled' });
}

async function logIn(email, password, where = page) {
  await where.getByLabel('E-mail address').fill(email);
  await where.getByLabel('Password').fill(password);
  await where.getByRole('button', { name: 'Log in' }).click();
}

const card = (provider) => page.locator(`#provider-${provider}`);

/** A whole date-time in two days at that hour, as an event and a form write it. */
function inTwoDays(time) {
  return `${new Date(Date.now() + 2 * 24 * 3600 * 1000).toISOString().slice(0, 10)}T${time}`;
}

const appointment = {
  id: 'A-1001', version: 1, status: 'confirmed', start: inTwoDays('09:00:00'), end: inTwoDays('11:00:00'),
  timezone: 'Europe/London', service: { name: 'Deep clean', details: '3 bedrooms' },
  location: { address: '1 High Street, London N1 1AA' }, order: { id: 'O-77', number: 'VC-77' },
  customer: { id: 'john', name: 'John Smith', email: 'john@example.com' },
  staff: [{ id: 'sarah', name: 'Sarah Jones' }],
};

before(async () => {
  await mkdir(artifacts, { recursive: true });
  await site.start();
  profile = await mkdtemp(path.join(tmpdir(), 'calbridge-profile-'));
  context = await chromium.launchPersistentContext(profile, { ...launching, viewport: { width: 1180, height: 860 } });
  context.setDefaultTimeout(patience);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: site.page });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  page = context.pages()[0] ?? (await context.newPage());
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !message.location().url.startsWith(site.sandbox))
      complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
});

after(async () => {
  await context?.close();
  await site.stop();
  if (profile) await rm(profile, { recursive: true, force: true });
});

function noComplaints() {
  assert.deepEqual(complaints.splice(0), []);
}

test('a page that is opened under the address moves to the name that the providers return to', async () => {
  await page.goto(`http://127.0.0.1:${site.pagePort}/`);
  assert.equal(page.url(), `${site.page}/login`);
  await picture('login');
  noComplaints();
});

test('a wrong password is said in plain words', async () => {
  await logIn('john@example.com', 'wrong horse');
  await seesText('The e-mail address or the password is wrong.');
  assert.equal(await page.getByLabel('E-mail address').inputValue(), 'john@example.com');
  assert.equal(await page.getByLabel('Password').inputValue(), '');
  assert.equal(complaints.filter((text) => !text.includes('422')).length, 0, complaints.join('\n'));
  complaints.length = 0;
});

test('the right one leads to the settings, with a card for each calendar', async () => {
  await logIn('john@example.com', 'correct horse');
  await page.waitForURL(`${site.page}/settings/calendar`);
  await seesText('John Smith');
  for (const name of ['Google Calendar', 'Outlook', 'Apple Calendar']) await page.getByRole('heading', { name }).waitFor();
  await seesText('Nothing is planned.');
  await picture('settings-first');
  noComplaints();
});

test('the answers carry the headers that keep others out', async () => {
  const response = await page.reload();
  const headers = response.headers();
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['cache-control'], 'no-store');
  assert.match(headers['content-security-policy'], /default-src 'none'.*frame-ancestors 'none'/);
  assert.doesNotMatch(headers['content-security-policy'], /unsafe/);
});

test('refusing consent at the provider gives the reason in plain words', async () => {
  await card('outlook').getByRole('button', { name: 'Connect' }).click();
  await page.getByRole('button', { name: 'Deny' }).click();
  await page.waitForURL(`${site.page}/settings/calendar**`);
  await seesText(/You did not allow access to Outlook.*, so nothing was connected\./);
  await card('outlook').getByText('Not connected').waitFor();
  await picture('settings-denied');
  noComplaints();
});

test('allowing it connects, and the page says so once', async () => {
  await card('google').getByRole('button', { name: 'Connect' }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.waitForURL(`${site.page}/settings/calendar**`);
  await seesText('Google Calendar Connected!');
  await card('google').getByText(gmail).waitFor();
  await eventually('the query to go', () => page.url() === `${site.page}/settings/calendar`);
  await page.reload();
  assert.equal(await page.getByText('Google Calendar Connected!').count(), 0);
  noComplaints();
});

test('an order appears in the list, in the calendar, and as a file', async () => {
  await site.event('order.confirmed', 'evt-1', appointment);
  await eventually('the appointment in the list', async () => {
    await page.reload();
    return (await page.locator('.entry', { hasText: 'Deep clean' }).getByText('In Google Calendar').count()) > 0;
  });
  const entry = page.locator('.entry', { hasText: 'Deep clean' });
  await entry.getByText('1 High Street, London N1 1AA').first().waitFor();
  await entry.getByText('09:00 – 11:00').waitFor();
  const [event] = await site.eventsOf('google', gmail);
  assert.equal(event.summary, 'Deep clean with Sarah');
  const file = await page.request.get(new URL(await entry.getByRole('link').getAttribute('href'), site.page).href);
  assert.equal(file.status(), 200);
  assert.match(await file.text(), /BEGIN:VEVENT[^]*SUMMARY:Deep clean with Sarah/);
  noComplaints();
});

test('a calendar server is connected by typing, and what is wrong is said at its field', async (t) => {
  const server = await new CalendarServer('john', 'the right one').start();
  t.after(() => server.stop());
  await card('ics').getByRole('button', { name: 'Connect with an app-specific password' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('heading', { name: 'Connect Apple iCloud' }).waitFor();
  assert.equal(await dialog.getByLabel('Server').inputValue(), 'https://caldav.icloud.com');
  await dialog.getByText('An app-specific password, made at').waitFor();
  await picture('connect-icloud');

  await dialog.getByLabel('Service').selectOption({ label: 'Another one' });
  await dialog.getByLabel('Server').fill(server.url);
  await dialog.getByLabel('Password').fill('a wrong one');
  await dialog.getByRole('button', { name: 'Connect' }).click();
  const focused = (label) => dialog.getByLabel(label).evaluate((node) => node === document.activeElement);
  await eventually('the focus at the empty field', () => focused('User name'));
  assert.equal(await dialog.getByLabel('User name').getAttribute('aria-invalid'), 'true');
  await dialog.getByLabel('User name').fill('john');
  await dialog.getByRole('button', { name: 'Connect' }).click();
  await dialog.getByText('does not accept this user name and password').waitFor();
  await eventually('the focus at the password', () => focused('Password'));
  await picture('connect-wrong-password');
  assert.equal(complaints.filter((text) => !text.includes('422')).length, 0, complaints.join('\n'));
  complaints.length = 0;

  await dialog.getByLabel('Password').fill('the right one');
  await page.keyboard.press('Enter');
  await seesText('Other calendar (CalDAV) Connected!');
  assert.equal(await page.locator('input[type="password"]').count(), 0, 'the password stays nowhere on the page');
  await card('caldav').getByText('john at 127.0.0.1').waitFor();
  await eventually('the entry in the usual calendar', () => [...server.entries].some((entry) => entry.startsWith('/me/home/')));

  await card('caldav').getByRole('button', { name: 'Choose calendar' }).click();
  assert.equal(await dialog.getByLabel('Home').isChecked(), true);
  await dialog.getByLabel('Work').check();
  await picture('choose-calendar');
  await dialog.getByRole('button', { name: 'Use this calendar' }).click();
  await seesText('Your entries go to “Work”.');
  await eventually('the entry in the other calendar', () => [...server.entries].some((entry) => entry.startsWith('/me/jobs/')));

  await card('caldav').getByRole('button', { name: 'Disconnect' }).click();
  await dialog.getByRole('button', { name: 'Disconnect' }).click();
  await card('caldav').getByText('Not connected').waitFor();
  noComplaints();
});

test('the .ics card shows its link once, to copy and to subscribe with, and can renew it', async () => {
  await card('ics').getByRole('button', { name: 'Get my link' }).click();
  const dialog = page.getByRole('dialog');
  const link = await dialog.getByLabel('Link').inputValue();
  assert.match(link, new RegExp(`^${site.api}/api/calendar/feed/[\\w-]{43}\\.ics$`));
  assert.equal(await dialog.getByRole('link', { name: 'Subscribe' }).getAttribute('href'), link.replace('http:', 'webcal:'));
  await dialog.getByRole('button', { name: 'Copy' }).click();
  await dialog.getByText('Copied.').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  await picture('settings-link');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await card('ics').getByText('Connected', { exact: true }).waitFor();
  assert.ok(!(await page.content()).includes(link), 'the link is still in the page');
  await eventually('the appointment in the feed', async () => {
    const feed = await fetch(link);
    return feed.status === 200 && (await feed.text()).includes('SUMMARY:Deep clean with Sarah');
  });

  await card('ics').getByRole('button', { name: 'New link' }).click();
  await dialog.getByRole('button', { name: 'Make a new link' }).click();
  await eventually('another link', async () => {
    const renewed = await page.locator('#feed-link').inputValue();
    return renewed !== '' && renewed !== link;
  });
  await page.getByRole('button', { name: 'Done' }).click();
  assert.equal((await fetch(link)).status, 404);
  noComplaints();
});

test('one can write an entry of one\'s own, change it and delete it', async () => {
  await page.getByRole('button', { name: 'Add an entry' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Title').fill('Be <at> home');
  assert.deepEqual(await page.evaluate(sidewaysOverflow), []);
  await dialog.getByLabel('Start').fill(inTwoDays('12:00'));
  await dialog.getByLabel('End').fill(inTwoDays('11:00'));
  await dialog.getByLabel('Place').fill('Home');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByText('The end is before the start.').waitFor();
  await dialog.getByLabel('End').fill(inTwoDays('13:00'));
  await dialog.getByRole('button', { name: 'Save' }).click();
  await seesText('Your entry is saved.');
  const entry = page.locator('.entry', { hasText: 'Be <at> home' });
  await entry.getByText('12:00 – 13:00').waitFor();
  const inGoogle = (title) => async () => (await site.eventsOf('google', gmail)).some((event) => event.summary === title);
  await eventually('the entry in the calendar', inGoogle('Be <at> home'));

  await entry.getByRole('button', { name: 'Change' }).click();
  assert.equal(await dialog.getByLabel('Place').inputValue(), 'Home');
  await dialog.getByLabel('Title').fill('Stay at home');
  await dialog.getByLabel('All day').check();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.locator('.entry', { hasText: 'Stay at home' }).getByText('all day').waitFor();
  await eventually('the change in the calendar', inGoogle('Stay at home'));
  await picture('settings-light');

  await page.getByRole('button', { name: 'Delete Stay at home' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await seesText('Your entry is deleted.');
  await eventually('the entry to go', async () => !(await inGoogle('Stay at home')()));
  noComplaints();
});

test('everything is readable in light and in dark, and fits a narrow phone', async (t) => {
  t.after(async () => {
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
    await page.setViewportSize({ width: 1180, height: 860 });
  });
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await page.evaluate(contrastProblems), [], colorScheme);
  }
  await picture('settings-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 360, height: 740 });
  assert.deepEqual(await page.evaluate(sidewaysOverflow), []);
  await picture('settings-phone');
  await card('google').getByRole('button', { name: 'Disconnect' }).click();
  assert.deepEqual(await page.evaluate(sidewaysOverflow), []);
  await picture('disconnect-phone');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Add an entry' }).click();
  assert.deepEqual(await page.evaluate(sidewaysOverflow), []);
  await picture('entry-phone');
  await page.keyboard.press('Escape');
  noComplaints();
});

/** Somebody else at a computer of their own; gives their page. Ends with the test. */
async function anotherPerson(t, email, password) {
  const browser = await chromium.launch(launching);
  t.after(() => browser.close());
  const other = await browser.newPage({ viewport: { width: 1180, height: 860 } });
  other.setDefaultTimeout(patience);
  await other.goto(`${site.page}/login`);
  await logIn(email, password, other);
  await other.waitForURL(`${site.page}/settings/calendar`);
  return other;
}

test('a consent that was withdrawn shows on the card and to the admin, and reconnecting delivers what waited', async (t) => {
  await site.control('POST', 'revoke', { provider: 'google', account: gmail });
  await page.getByRole('button', { name: 'Sync now' }).click();
  await card('google').getByText('Reconnect needed').waitFor();
  await card('google').getByText('What happened:').waitFor();
  await picture('settings-reconnect');

  const admin = await anotherPerson(t, 'ada@example.com', 'battery staple');
  await admin.getByText('One calendar on this server waits for its owner to reconnect it.').waitFor();
  await admin.getByRole('link', { name: 'Everybody’s connections' }).click();
  await admin.waitForURL(`${site.page}/admin/connections`);
  const need = admin.locator('.need', { hasText: 'John Smith' });
  await need.getByText(gmail).waitFor();
  await need.getByText('What happened:').waitFor();
  await need.locator('time').waitFor();
  assert.equal(await need.getByRole('link', { name: 'Write to John Smith' }).getAttribute('href'), 'mailto:john@example.com');
  await admin.locator('#service-google').getByText('1 to reconnect').waitFor();
  await picture('admin-connections', admin);
  for (const colorScheme of ['light', 'dark']) {
    await admin.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await admin.evaluate(contrastProblems), [], colorScheme);
  }
  await admin.emulateMedia({ colorScheme: 'light' });
  await admin.setViewportSize({ width: 360, height: 740 });
  assert.deepEqual(await admin.evaluate(sidewaysOverflow), []);
  await picture('admin-connections-phone', admin);
  assert.equal((await page.request.get(`${site.page}/admin/connections`)).status(), 404, 'john has no such page');

  await site.event('appointment.updated', 'evt-2', { ...appointment, version: 2, location: { address: '2 Low Road' } });
  await card('google').getByRole('button', { name: 'Reconnect' }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await seesText('Google Calendar Connected!');
  await eventually('the change in the calendar', async () =>
    (await site.eventsOf('google', gmail)).some((event) => event.location === '2 Low Road'));
  await admin.reload();
  await admin.getByText('Nobody has to reconnect anything.').waitFor();
  noComplaints();
});

test('disconnecting works by keyboard alone and removes the entries', async () => {
  await page.reload();
  const button = card('google').getByRole('button', { name: 'Disconnect' });
  await page.locator('#disconnect-google:enabled').waitFor(); // only then can it be reached
  for (let i = 0; i < 40 && !(await button.evaluate((node) => node === document.activeElement)); ++i)
    await page.keyboard.press('Tab');
  assert.ok(await button.evaluate((node) => node === document.activeElement), 'the button cannot be reached with Tab');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await picture('disconnect');
  const checked = () => dialog.locator('input:checked:visible').inputValue();
  assert.equal(await checked(), 'remove');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.ok(await button.evaluate((node) => node === document.activeElement), 'the focus is not back on the button');

  await page.keyboard.press('Enter');
  await dialog.waitFor();
  const focused = () => page.evaluate(() => document.activeElement.value ?? '');
  await eventually('the focus in the dialog', () => dialog.evaluate((node) => node.contains(document.activeElement)));
  await page.keyboard.press('ArrowDown');
  assert.equal(await checked(), 'keep');
  await page.keyboard.press('ArrowUp');
  assert.equal(await checked(), 'remove');
  for (let i = 0; i < 5 && (await focused()) !== 'yes'; ++i) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await seesText('Google Calendar is disconnected.');
  await card('google').getByText('Not connected').waitFor();
  await eventually('the calendar to be empty', async () => (await site.eventsOf('google', gmail)).length === 0);
  await eventually('the grant to end', async () =>
    (await site.control('GET', `google/accounts/${gmail}`)).live_refresh_tokens === 0);
  noComplaints();
});

test('logging out ends it, and another person sees their own page', async () => {
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${site.page}/login`);
  await page.goto(`${site.page}/settings/calendar`);
  assert.equal(page.url(), `${site.page}/login`);
  await logIn('ada@example.com', 'battery staple');
  await seesText('Ada <b>Admin</b>');
  await seesText('Nothing is planned.');
  await page.getByRole('button', { name: 'Log out' }).click();
  noComplaints();
});

test('without JavaScript, logging in, reading and logging out work', async (t) => {
  const browser = await chromium.launch({ ...launching, args: [...launching.args, '--blink-settings=scriptEnabled=false'] });
  t.after(() => browser.close());
  const reader = await browser.newPage();
  await reader.goto(`${site.page}/settings/calendar`);
  await reader.getByLabel('E-mail address').fill('john@example.com');
  await reader.getByLabel('Password').fill('correct horse');
  await reader.getByRole('button', { name: 'Log in' }).click();
  await reader.locator('noscript p', { hasText: 'need JavaScript' }).waitFor(); // getByText passes noscript over
  await reader.getByRole('heading', { name: 'Deep clean' }).waitFor();
  assert.ok(await reader.getByRole('button', { name: 'Add an entry' }).isDisabled());
  await reader.getByRole('button', { name: 'Log out' }).click();
  await reader.waitForURL(`${site.page}/login`);
});

test('an unknown address gets a page in the same style', async () => {
  const response = await page.goto(`${site.page}/no/such/page`);
  assert.equal(response.status(), 404);
  await page.getByRole('heading', { name: 'There is nothing here' }).waitFor();
  await picture('not-found');
});
