// The settings page comes finished from the server; this makes its buttons work and keeps it current. State lives on the
// server alone: after every action the sections are fetched again and replaced.

const page = '/settings/calendar';
const sections = ['providers', 'appointments'];
const soon = 2000; // ms between looks while something is on its way
const later = 30000; // and otherwise

const byId = (id) => document.getElementById(id);
const messages = byId('messages');

// -- talking to the server ------------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(message, pointer) {
    super(message);
    this.pointer = pointer ?? '';
  }
}

async function call(method, path, body) {
  const options = { method, headers: { Accept: 'application/json' } };
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused('The server cannot be reached. Please check your connection and try again.');
  }
  if (response.status === 401) {
    location.assign('/login');
    throw new Refused('Please log in again.');
  }
  const answer = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(inWords(answer.detail, response.status), answer.pointer);
  return answer;
}

function inWords(detail, status) {
  if (!detail) return `The server could not do that (${status}). Please try again.`;
  const text = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

// -- what is said to the person -------------------------------------------------------------------------------------

function say(tone, text, link) {
  const message = document.createElement('p');
  message.className = `message ${tone}`;
  message.textContent = text;
  if (link) {
    const anchor = document.createElement('a');
    anchor.href = link.href;
    anchor.textContent = link.text;
    anchor.rel = 'noreferrer';
    message.append(' ', anchor);
  }
  messages.replaceChildren(message);
  messages.scrollIntoView({ block: 'nearest' });
}

// What the server already said on this page is put in anew, because screen readers announce changes only. The query that
// brought it goes, so that a reload does not say it again.
function announceArrival() {
  const arrived = [...messages.children];
  if (arrived.length) {
    messages.replaceChildren();
    requestAnimationFrame(() => messages.replaceChildren(...arrived));
  }
  if (location.search) history.replaceState(null, '', page);
}

// -- keeping current ------------------------------------------------------------------------------------------------

const shown = new Map(); // section → the HTML that the server gave last
let timer;

function remember() {
  for (const id of sections) shown.set(id, byId(id).innerHTML);
}

function enable(root) {
  for (const button of root.querySelectorAll('button[data-action]')) button.disabled = false;
}

function replaceSection(fresh, id) {
  const next = fresh.getElementById(id);
  if (!next || next.innerHTML === shown.get(id)) return;
  shown.set(id, next.innerHTML);
  const old = byId(id);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : '';
  const open = [...old.querySelectorAll('details[open]')].map((details) => details.id);
  const section = document.importNode(next, true);
  enable(section);
  for (const details of section.querySelectorAll('details')) details.open = open.includes(details.id);
  old.replaceWith(section);
  if (focused) (byId(focused) ?? messages).focus({ preventScroll: true });
}

async function refresh() {
  let response;
  try {
    response = await fetch(page, { headers: { Accept: 'text/html' } });
  } catch {
    return; // the next look may succeed
  }
  if (new URL(response.url).pathname !== page) {
    location.assign('/login'); // the session has ended
    return;
  }
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const id of sections) replaceSection(fresh, id);
}

function waiting() {
  return [...document.querySelectorAll('[data-pending]')].some((card) => card.dataset.pending !== '0');
}

function schedule() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (!document.hidden && !document.querySelector('dialog[open]')) await refresh();
    schedule();
  }, waiting() ? soon : later);
}

// -- dialogs --------------------------------------------------------------------------------------------------------

// Opens a dialog; resolves with its submit button's value, or '' when it was cancelled.
function ask(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue), { once: true });
  });
}

async function confirmed(title, text, yes) {
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = yes;
  return (await ask(byId('confirm-dialog'))) === 'yes';
}

// -- connections ----------------------------------------------------------------------------------------------------

const providerPath = (card, verb) => `/api/calendar/${encodeURIComponent(card.dataset.provider)}/${verb}/`;

async function connect(card) {
  const { authorization_url: url } = await call('POST', providerPath(card, 'connect'));
  if (!/^https?:$/.test(new URL(url).protocol)) throw new Refused('The server gave an address that is not a web page.');
  location.assign(url);
  return new Promise(() => {}); // the button stays busy until the page is left
}

// -- connecting by typing -------------------------------------------------------------------------------------------

const accountForm = byId('account-form');
let typingFor = ''; // id of the provider whose form is open

function showPreset(select) {
  const option = select.selectedOptions[0];
  const values = JSON.parse(option.dataset.values);
  const hints = JSON.parse(option.dataset.hints);
  for (const input of byId('account-inputs').querySelectorAll('[name]')) {
    if (Object.hasOwn(values, input.name)) input.value = values[input.name];
    const hint = byId(`${input.id}-hint`);
    hint.textContent = hints[input.name] ?? hint.dataset.hint;
  }
}

function clearProblems() {
  byId('account-problem').hidden = true;
  for (const input of byId('account-inputs').querySelectorAll('[name]')) {
    input.removeAttribute('aria-invalid');
    byId(`${input.id}-problem`).hidden = true;
  }
}

// At the input that the server names, or above all of them.
function showProblem(text, name) {
  const input = [...byId('account-inputs').querySelectorAll('[name]')].find((one) => one.name === name);
  const place = input ? byId(`${input.id}-problem`) : byId('account-problem');
  place.textContent = text;
  place.hidden = false;
  if (!input) return;
  input.setAttribute('aria-invalid', 'true');
  input.focus();
}

async function submitAccount(event) {
  event.preventDefault();
  clearProblems();
  const credentials = {};
  for (const input of byId('account-inputs').querySelectorAll('[name]')) {
    const value = input.type === 'password' ? input.value : input.value.trim();
    if (value) credentials[input.name] = value;
    else if (input.required) return showProblem('Please fill this in.', input.name);
  }
  const button = event.submitter ?? accountForm.querySelector('[type="submit"]');
  button.disabled = true;
  button.setAttribute('aria-busy', 'true');
  try {
    await call('POST', `/api/calendar/${encodeURIComponent(typingFor)}/connect/`, { credentials });
    byId('account-dialog').close('connected');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    showProblem(error.message, error.pointer.startsWith('/credentials/') ? error.pointer.slice(13) : '');
  } finally {
    button.disabled = false;
    button.removeAttribute('aria-busy');
  }
}

async function connectByForm(button) {
  const template = byId(`form-${button.dataset.form}`);
  const label = template.closest('.card').dataset.label;
  typingFor = button.dataset.form;
  byId('account-inputs').replaceChildren(document.importNode(template.content, true));
  const presets = byId('account-inputs').querySelector('[data-preset]');
  const service = () => (presets?.value ? presets.selectedOptions[0].textContent : label);
  const show = () => {
    if (presets) showPreset(presets);
    byId('account-dialog').querySelector('[data-label]').textContent = service();
  };
  if (presets) {
    presets.value = button.dataset.preset ?? '';
    presets.addEventListener('change', show);
  }
  show();
  clearProblems();
  const done = await ask(byId('account-dialog'));
  const connected = service();
  byId('account-inputs').replaceChildren(); // and with them the password
  if (done !== 'connected') return;
  await refresh();
  say('good', `${connected} Connected!`);
}

async function chooseCalendar(card) {
  const { calendars } = await call('GET', providerPath(card, 'calendars'));
  const dialog = byId('calendar-dialog');
  dialog.querySelector('[data-label]').textContent = card.dataset.label;
  byId('calendar-choices').replaceChildren(...calendars.map((calendar) => {
    const label = document.createElement('label');
    label.className = 'choice';
    const input = document.createElement('input');
    Object.assign(input, { type: 'radio', name: 'calendar', value: calendar.id, checked: calendar.chosen, disabled: !calendar.writable });
    const name = document.createElement('span');
    name.textContent = calendar.writable ? calendar.name : `${calendar.name} (may only be read)`;
    label.append(input, name);
    return label;
  }));
  if ((await ask(dialog)) !== 'yes') return;
  const id = dialog.querySelector('input[name="calendar"]:checked')?.value;
  if (!id) return;
  const { calendar } = await call('PUT', providerPath(card, 'calendar'), { id });
  await refresh();
  say('good', `Your entries go to “${calendar}”.`);
}

async function showLink(card) {
  const links = await call('POST', providerPath(card, 'connect'));
  byId('feed-link').value = links.feed_url;
  byId('subscribe').href = links.webcal_url;
  byId('copied').textContent = '';
  const closed = ask(byId('link-dialog'));
  byId('feed-link').select();
  refresh();
  await closed;
  byId('feed-link').value = '';
  byId('subscribe').removeAttribute('href');
  say('good', `${card.dataset.label} Connected!`);
}

async function renewLink(card) {
  const text = 'The old link stops working at once. Calendars that use it have to subscribe again with the new one.';
  if (await confirmed('Make a new link?', text, 'Make a new link')) await showLink(card);
}

async function invite(card) {
  await call('POST', providerPath(card, 'connect'));
  await refresh();
  say('good', `${card.dataset.label} are on.`);
}

async function disconnect(card) {
  const dialog = byId('disconnect-dialog');
  const kind = 'feed' in card.dataset ? 'feed' : 'invitations' in card.dataset ? 'invitations' : 'account';
  dialog.querySelector('[data-label]').textContent = card.dataset.label;
  for (const part of dialog.querySelectorAll('[data-for]')) part.hidden = part.dataset.for !== kind;
  dialog.querySelector('form').reset();
  if ((await ask(dialog)) !== 'yes') return;
  const events = new FormData(dialog.querySelector('form')).get(kind === 'invitations' ? 'messages' : 'events');
  const done = await call('POST', providerPath(card, 'disconnect'), { events });
  let text = kind === 'invitations' ? `${card.dataset.label} are off.` : `${card.dataset.label} is disconnected.`;
  if (done.removing > 0) text += done.removing === 1 ? ' One entry is being removed.' : ` ${done.removing} entries are being removed.`;
  if (done.entries_remain) text += ' We could not reach your calendar any more, so please delete the entries there yourself.';
  const link = done.disconnect_url && /^https?:/.test(done.disconnect_url)
    ? { href: done.disconnect_url, text: 'Withdraw the permission there as well' } : undefined;
  await refresh();
  say('good', text, link);
}

async function sync() {
  const { queued } = await call('POST', '/api/calendar/sync/');
  await refresh();
  say('good', queued === 0 ? 'Everything is up to date.' : `Checking ${queued} ${queued === 1 ? 'entry' : 'entries'} again.`);
}

async function copyLink() {
  const field = byId('feed-link');
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    byId('copied').textContent = 'Copied.';
  } catch {
    byId('copied').textContent = 'The link is selected: copy it with Ctrl+C or ⌘C.';
    field.focus();
  }
}

// -- own entries ----------------------------------------------------------------------------------------------------

const form = byId('entry-form');
const field = (name) => form.elements.namedItem(name);
let editing = null; // id of the entry that the form changes; null: a new one
let entryZone = '';

// All-day entries end with the day after the last one; people name the last one.
function addDays(date, days) {
  const day = new Date(`${date}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + days);
  return day.toISOString().slice(0, 10);
}

function setAllDay(allDay) {
  for (const name of ['start', 'end']) {
    const input = field(name);
    const type = allDay ? 'date' : 'datetime-local';
    if (input.type === type) continue;
    const value = input.value;
    input.type = type;
    if (value) input.value = allDay ? value.slice(0, 10) : `${value}T${name === 'start' ? '09:00' : '10:00'}`;
  }
}

function fill(entry) {
  form.reset();
  setAllDay(false);
  byId('entry-problem').hidden = true;
  editing = entry.id ?? null;
  entryZone = entry.timezone || byId('zone').dataset.zone;
  byId('entry-title').textContent = editing ? 'Change your entry' : 'Add an entry';
  byId('entry-zone').textContent = entryZone.replaceAll('_', ' ');
  if (!editing) return;
  const allDay = entry.allDay === 'yes';
  field('all_day').checked = allDay;
  setAllDay(allDay);
  field('title').value = entry.title;
  field('start').value = allDay ? entry.start : entry.start.slice(0, 16);
  field('end').value = allDay ? addDays(entry.end, -1) : entry.end.slice(0, 16);
  field('location').value = entry.location;
  field('description').value = entry.description;
}

function written() {
  const allDay = field('all_day').checked;
  const time = (name) => (field(name).value.length === 16 ? `${field(name).value}:00` : field(name).value);
  return {
    title: field('title').value.trim(),
    start: time('start'),
    end: allDay ? addDays(field('end').value, 1) : time('end'),
    timezone: entryZone,
    location: field('location').value.trim(),
    description: field('description').value.trim(),
  };
}

function refuse(text, name) {
  byId('entry-problem').textContent = text;
  byId('entry-problem').hidden = false;
  field(name ?? 'title').focus();
}

async function save(event) {
  event.preventDefault();
  if (!field('title').value.trim()) return refuse('Please give the entry a title.', 'title');
  if (field('end').value < field('start').value) return refuse('The end is before the start.', 'end');
  const button = event.submitter;
  if (button) button.disabled = true;
  try {
    if (editing) await call('PATCH', `/api/calendar/events/${encodeURIComponent(editing)}/`, written());
    else await call('POST', '/api/calendar/events/', written());
  } catch (error) {
    return refuse(error.message);
  } finally {
    if (button) button.disabled = false;
  }
  byId('entry-dialog').close('saved');
}

async function openForm(entry) {
  fill(entry);
  const result = await ask(byId('entry-dialog'));
  if (result !== 'saved') return;
  await refresh();
  say('good', 'Your entry is saved.');
}

async function remove(button) {
  const { id, title } = button.dataset;
  if (!(await confirmed('Delete this entry?', `“${title}” goes from your connected calendars as well.`, 'Delete'))) return;
  await call('DELETE', `/api/calendar/events/${encodeURIComponent(id)}/`);
  await refresh();
  say('good', 'Your entry is deleted.');
}

// -- wiring ---------------------------------------------------------------------------------------------------------

const actions = {
  invite: (button) => invite(button.closest('.card')),
  connect: (button) => connect(button.closest('.card')),
  form: (button) => connectByForm(button),
  calendars: (button) => chooseCalendar(button.closest('.card')),
  link: (button) => showLink(button.closest('.card')),
  renew: (button) => renewLink(button.closest('.card')),
  disconnect: (button) => disconnect(button.closest('.card')),
  sync: () => sync(),
  add: () => openForm({}),
  edit: (button) => openForm(button.dataset),
  delete: (button) => remove(button),
};

async function act(button) {
  if (button.getAttribute('aria-busy') === 'true') return;
  button.setAttribute('aria-busy', 'true');
  try {
    await actions[button.dataset.action](button);
  } catch (error) {
    say('bad', error instanceof Refused ? error.message : 'That did not work. Please reload the page and try again.');
    if (!(error instanceof Refused)) throw error;
  } finally {
    button.removeAttribute('aria-busy');
    // The button may be gone with its section, and the focus with it.
    if (document.activeElement === document.body) (byId(button.id) ?? messages).focus({ preventScroll: true });
    schedule();
  }
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.action) act(button);
  else if (button && 'close' in button.dataset) button.closest('dialog').close('');
});
// A page that comes back out of the browser's memory may be old, and its Connect button still busy.
window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden) schedule(); });
byId('copy-link').addEventListener('click', copyLink);
form.addEventListener('submit', save);
accountForm.addEventListener('submit', submitAccount);
field('all_day').addEventListener('change', (event) => setAllDay(event.target.checked));

remember();
enable(document);
announceArrival();
schedule();
