// As much CalDAV as it takes to be connected to: one account, two calendars to write to. Takes every entry.
import { createServer } from 'node:http';

const resource = (href, properties) =>
  `<d:response><d:href>${href}</d:href><d:propstat><d:prop>${properties}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`;
const calendar = (name) =>
  `<d:displayname>${name}</d:displayname><d:resourcetype><d:collection/><c:calendar/></d:resourcetype>`;

export class CalendarServer {
  constructor(user, password) {
    const right = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    this.entries = new Set(); // paths
    this.server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        if (request.headers.authorization !== right)
          return response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="calendars"' }).end();
        if (request.method === 'PUT') {
          this.entries.add(request.url);
          return response.writeHead(201, { ETag: '"1"' }).end();
        }
        if (request.method === 'DELETE') return response.writeHead(this.entries.delete(request.url) ? 204 : 404).end();
        if (request.method !== 'PROPFIND') return response.writeHead(404).end();
        const inside = request.headers.depth === '1'
          ? resource('/me/home/', calendar('Home')) + resource('/me/jobs/', calendar('Work'))
          : resource('/', '<d:current-user-principal><d:href>/me/</d:href></d:current-user-principal>'
            + '<c:calendar-home-set><d:href>/me/</d:href></c:calendar-home-set>');
        response.writeHead(207, { 'Content-Type': 'application/xml' });
        response.end(`<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">${inside}</d:multistatus>`);
      });
    });
  }

  async start() {
    await new Promise((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
