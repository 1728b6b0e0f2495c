// Starts and stops the programs that a browser test needs: the provider sandbox and the host, on free loopback ports,
// with a database and a browser profile in a folder that goes with the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * A port that nobody listens on at this moment; the host's own addresses name it, so 0 would not do. Not one of those that
 * the system gives to whoever connects: it would be somebody's in the next moment.
 */
async function freePort() {
  const [lowest] = (await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')).split(/\s+/).map(Number);
  const [from, to] = lowest > 21000 ? [20000, lowest] : [10000, 20000];
  for (;;) {
    const port = from + Math.floor(Math.random() * (to - from));
    const server = createServer().listen(port, '127.0.0.1');
    const free = await new Promise((resolve) => {
      server.once('listening', () => resolve(true));
      server.once('error', () => resolve(false));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Without the variables that would win over the test's own settings. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(GOOGLE|OUTLOOK|ICS|CALBRIDGE)_/.test(name)));

/** Runs to the end; resolves with standard output, rejects with all that was said. */
export async function run(program, args, input) {
  // Without input there is no pipe: even writing nothing into one fails when the program has ended by then.
  const child = spawn(program, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], env: environment });
  let out = '';
  let all = '';
  child.stdout.on('data', (bytes) => { out += bytes; all += bytes; });
  child.stderr.on('data', (bytes) => { all += bytes; });
  child.stdin?.on('error', () => {}); // a program that ends without reading says why itself
  child.stdin?.end(input);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${path.basename(program)} ${args.join(' ')} ended with ${code}:\n${all}`);
  return out;
}

/** Starts a program and resolves when it has printed its first line. */
async function start(program, args, log) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  let first = '';
  const ready = new Promise((resolve, reject) => {
    child.stdout.on('data', (bytes) => {
      first += bytes;
      if (first.includes('\n')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`${path.basename(program)} ended with ${code}:\n${log.join('')}`)));
  });
  child.stderr.on('data', (bytes) => log.push(String(bytes)));
  await ready;
  child.removeAllListeners('exit');
  return { child, line: first.split('\n')[0] };
}

async function stop(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'close'); // and its output has been read
}

const clientId = 'calbridge-demo';
const clientSecret = 'demo-secret';

export class Installation {
  /** `build` is the build folder, `source` the project's. */
  constructor(build, source) {
    this.build = build;
    this.source = source;
    this.log = [];
  }

  async start() {
    this.folder = await mkdtemp(path.join(tmpdir(), 'calbridge-browser-'));
    this.apiPort = await freePort();
    this.pagePort = await freePort();
    this.api = `http://localhost:${this.apiPort}`;
    this.page = `http://localhost:${this.pagePort}`;

    const redirect = (provider) => `${this.api}/api/calendar/${provider}/callback/`;
    const sandbox = await start(path.join(this.build, 'bin/calbridge-sandbox'), [
      '--listen', '127.0.0.1:0', '--account', 'john@gmail.example', '--account', 'john@outlook.example',
      '--google-client-id', clientId, '--google-client-secret', clientSecret, '--google-redirect-uri', redirect('google'),
      '--outlook-client-id', clientId, '--outlook-client-secret', clientSecret, '--outlook-redirect-uri', redirect('outlook'),
    ], this.log);
    this.sandboxProcess = sandbox.child;
    this.sandbox = sandbox.line.trim();

    const env = path.join(this.folder, 'test.env');
    await writeFile(env, [
      `GOOGLE_CLIENT_ID=${clientId}`, `GOOGLE_CLIENT_SECRET=${clientSecret}`,
      `OUTLOOK_CLIENT_ID=${clientId}`, `OUTLOOK_CLIENT_SECRET=${clientSecret}`, ''].join('\n'), { mode: 0o600 });
    const set = (name, value) => ['--set', `${name}=${JSON.stringify(value)}`];
    this.options = [
      '--config', path.join(this.source, 'config'), '--env-file', env,
      ...set('server.listen', [`127.0.0.1:${this.apiPort}`, `127.0.0.1:${this.pagePort}`]),
      ...set('server.public_url', this.api), ...set('server.frontend_url', this.page),
      ...set('storage.url', `sqlite:${path.join(this.folder, 'calbridge.db')}`),
      ...set('providers.google.settings', {
        authorize_url: `${this.sandbox}/google/o/oauth2/v2/auth`, token_url: `${this.sandbox}/google/token`,
        revoke_url: `${this.sandbox}/google/revoke`, api_url: `${this.sandbox}/google/calendar/v3`, calendar: 'primary',
      }),
      ...set('providers.caldav.allowed_hosts', ['127.0.0.0/8']),
      ...set('providers.outlook.settings', {
        authority_url: `${this.sandbox}/outlook/common`, api_url: `${this.sandbox}/outlook/v1.0`,
      }),
    ];
    await this.command(['people', 'add', 'john', '--name', 'John Smith', '--email', 'john@example.com', '--role', 'customer',
      '--timezone', 'Europe/London']);
    await this.command(['people', 'set-password', 'john'], 'correct horse\n');
    await this.command(['people', 'add', 'ada', '--name', 'Ada <b>Admin</b>', '--email', 'ada@example.com', '--role', 'admin']);
    await this.command(['people', 'set-password', 'ada'], 'battery staple\n');
    const host = await start(path.join(this.build, 'bin/calbridge'), [...this.options, 'serve'], this.log);
    this.hostProcess = host.child;
    this.appKey = (await this.command(['app-keys', 'create', 'shop'])).trim();
  }

  /** Runs a calbridge command against this installation. */
  command(args, input) {
    return run(path.join(this.build, 'bin/calbridge'), [...this.options, ...args], input);
  }

  /** Sends an event as the booking application does. */
  async event(type, id, appointment) {
    const response = await fetch(`${this.api}/api/events/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/cloudevents+json', Authorization: `Bearer ${this.appKey}` },
      body: JSON.stringify({
        specversion: '1.0', id, source: 'shop/orders', type, time: new Date().toISOString(), data: { appointment },
      }),
    });
    if (response.status !== 202) throw new Error(`the event got ${response.status}: ${await response.text()}`);
  }

  /** The sandbox's control, see tests/sandbox. */
  async control(method, what, body) {
    const response = await fetch(`${this.sandbox}/control/${what}`, {
      method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`control ${what} got ${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** What is live in a sandbox account's calendar. */
  async eventsOf(provider, account) {
    const all = await this.control('GET', `${provider}/accounts/${encodeURIComponent(account)}/events`);
    return all.filter((event) => !event.deleted).map((event) => event.resource);
  }

  async stop() {
    await stop(this.hostProcess);
    await stop(this.sandboxProcess);
    const said = this.log.join('');
    const report = said.search(/ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|^\S+:\d+: runtime error: /m);
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
    if (report >= 0) throw new Error(`a sanitizer reported this in the host or the sandbox:\n${said.slice(report)}`);
  }
}
