// Reads feed.ics back with ical.js and compares with expected.json.
import { readFileSync } from "node:fs";

let ICAL;
try {
  ICAL = (await import("ical.js")).default;
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  console.log("SKIP: ical.js is not installed (npm install in tests/ics)");
  process.exit(77);
}

const folder = process.argv[2];
const expected = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
const calendar = new ICAL.Component(ICAL.parse(readFileSync(`${folder}/feed.ics`, "utf8")));
const problems = [];
const same = (uid, what, found, wanted) => {
  if (found !== wanted) problems.push(`${uid}: ${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
};

for (const zone of calendar.getAllSubcomponents("vtimezone")) {
  ICAL.TimezoneService.register(new ICAL.Timezone(zone), zone.getFirstPropertyValue("tzid"));
}
const events = new Map(
  calendar.getAllSubcomponents("vevent").map((event) => [event.getFirstPropertyValue("uid"), event]),
);
const seconds = (text) => Date.parse(text) / 1000;

for (const want of expected.entries) {
  const event = events.get(want.uid);
  if (!event) {
    problems.push(`${want.uid}: missing`);
    continue;
  }
  const value = (name) => event.getFirstPropertyValue(name);
  same(want.uid, "SUMMARY", value("summary"), want.title);
  same(want.uid, "DESCRIPTION", value("description") ?? "", want.description);
  same(want.uid, "LOCATION", value("location") ?? "", want.location);
  same(want.uid, "URL", value("url") ?? "", want.url);
  same(want.uid, "STATUS", value("status"), want.status);
  same(want.uid, "TRANSP", value("transp") === "TRANSPARENT", want.transparent);
  same(want.uid, "CLASS", (value("class") ?? "default").toLowerCase(), want.visibility);
  same(want.uid, "SEQUENCE", value("sequence"), want.sequence);
  same(want.uid, "DTSTAMP", value("dtstamp").toUnixTime(), seconds(want.stamp));
  for (const [name, date, utc] of [["dtstart", want.start, want.start_utc], ["dtend", want.end, want.end_utc]]) {
    const time = value(name);
    same(want.uid, `${name} is a date`, time.isDate, want.all_day);
    if (want.all_day) same(want.uid, name, time.toString(), date);
    else same(want.uid, name, time.toUnixTime(), seconds(utc));
  }
  const alarms = event.getAllSubcomponents("valarm").map((alarm) => -alarm.getFirstPropertyValue("trigger").toSeconds() / 60);
  const sorted = (list) => JSON.stringify([...list].sort((a, b) => a - b));
  same(want.uid, "VALARM", sorted(alarms.map((minutes) => minutes + 0)), sorted(want.reminders));
}
same("calendar", "entries", events.size, expected.entries.length);
// ical.js has no type for these two and leaves them escaped.
const unescaped = (text) => text.replace(/\\([\\;,nN])/g, (_, c) => (c === "n" || c === "N" ? "\n" : c));
for (const name of ["name", "x-wr-calname"]) {
  same("calendar", name, unescaped(calendar.getFirstPropertyValue(name)), expected.name);
}

for (const problem of problems.slice(0, 20)) console.log(problem);
console.log(`${events.size} entries, ${problems.length} problems`);
process.exit(problems.length > 0 || events.size < 100 ? 1 : 0);
