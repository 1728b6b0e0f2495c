"""Reads feed.ics and zones.ics back with python3-icalendar and dateutil and compares with expected.json."""
import datetime
import io
import json
import re
import sys
import zoneinfo

try:
    import icalendar
    from dateutil import tz
except ImportError as missing:
    print(f"SKIP: {missing.name} is not installed (Debian: python3-icalendar)")
    sys.exit(77)

UTC = datetime.timezone.utc


def instant(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def same_text(found, wanted):
    """icalendar before version 5 unescapes twice: where a backslash was meant, it loses it and what it then seems to
    escape. Such texts are compared without backslashes and line breaks, all others exactly."""
    if "\\" not in wanted:
        return found == wanted
    lossy = re.compile(r"\\+[nN]?|\n")
    return lossy.sub("", found) == lossy.sub("", wanted)


def check_entry(event, want, problems):
    def same(what, found, wanted):
        equal = same_text(found, wanted) if isinstance(wanted, str) else found == wanted
        if not equal:
            problems.append(f"{want['uid']}: {what}: {found!r} instead of {wanted!r}")

    same("SUMMARY", str(event["SUMMARY"]), want["title"])
    same("DESCRIPTION", str(event.get("DESCRIPTION", "")), want["description"])
    same("LOCATION", str(event.get("LOCATION", "")), want["location"])
    same("URL", str(event.get("URL", "")), want["url"])
    same("STATUS", str(event["STATUS"]), want["status"])
    same("TRANSP", str(event["TRANSP"]) == "TRANSPARENT", want["transparent"])
    same("CLASS", str(event.get("CLASS", "default")).lower(), want["visibility"])
    same("SEQUENCE", int(event["SEQUENCE"]), want["sequence"])
    same("DTSTAMP", event["DTSTAMP"].dt.astimezone(UTC), instant(want["stamp"]))
    same("LAST-MODIFIED", event["LAST-MODIFIED"].dt.astimezone(UTC), instant(want["stamp"]))
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    if want["all_day"]:
        same("DTSTART", start.isoformat(), want["start"])
        same("DTEND", end.isoformat(), want["end"])
    else:
        same("DTSTART", start.astimezone(UTC), instant(want["start_utc"]))
        same("DTEND", end.astimezone(UTC), instant(want["end_utc"]))
    alarms = [-alarm["TRIGGER"].dt // datetime.timedelta(minutes=1) for alarm in event.walk("VALARM")]
    same("VALARM", sorted(alarms), sorted(want["reminders"]))


def check_feed(folder, problems):
    with open(folder + "/feed.ics", "rb") as file:
        feed = file.read()
    with open(folder + "/expected.json", encoding="utf-8") as file:
        expected = json.load(file)
    calendar = icalendar.Calendar.from_ical(feed)
    events = {str(event["UID"]): event for event in calendar.walk("VEVENT")}
    if len(events) != len(expected["entries"]):
        problems.append(f"{len(events)} entries instead of {len(expected['entries'])}")
    for want in expected["entries"]:
        check_entry(events[want["uid"]], want, problems)
    for name in ("NAME", "X-WR-CALNAME"):
        if not same_text(str(calendar[name]), expected["name"]):
            problems.append(f"{name}: {calendar[name]!r}")
    if "METHOD" in calendar:
        problems.append("a feed has no METHOD")
    return len(events)


def check_zones(folder, problems):
    with open(folder + "/zones.ics", encoding="utf-8", newline="") as file:
        texts = re.findall(r"BEGIN:VTIMEZONE.*?END:VTIMEZONE\r\n", file.read(), re.S)
    for text in texts:
        name = re.search(r"TZID:(.*)\r\n", text)[1]
        ours = tz.tzical(io.StringIO("BEGIN:VCALENDAR\n" + text.replace("\r\n", "\n") + "END:VCALENDAR\n")).get(name)
        theirs = zoneinfo.ZoneInfo(name)
        moment = datetime.datetime(2000, 1, 2, 12)
        while moment.year < 2060:
            if moment.replace(tzinfo=ours).utcoffset() != moment.replace(tzinfo=theirs).utcoffset():
                problems.append(f"{name}: another offset than the tz database on {moment}")
                break
            moment += datetime.timedelta(days=17)
    return len(texts)


def main():
    problems = []
    entries = check_feed(sys.argv[1], problems)
    zones = check_zones(sys.argv[1], problems)
    for problem in problems[:20]:
        print(problem)
    print(f"{entries} entries, {zones} zones, {len(problems)} problems")
    return 1 if problems or entries < 100 or zones < 100 else 0


sys.exit(main())
