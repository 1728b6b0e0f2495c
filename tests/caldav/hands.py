"""The person at their own calendar, through python3-caldav."""
import caldav
import icalendar

from servers import PASSWORD, USER


class Hands:
    """The person's own calendar program."""

    def __init__(self, server):
        self.principal = caldav.DAVClient(server.url + server.root, username=USER, password=PASSWORD).principal()

    def make(self, name):
        return self.principal.make_calendar(name=name, cal_id=name.lower())

    def calendar(self, name):
        return next(c for c in self.principal.calendars() if str(c.url).rstrip("/").endswith("/" + name.lower()))

    def entries(self, name):
        """Summary → (event, its VEVENT)."""
        found = {}
        for event in self.calendar(name).events():
            for part in icalendar.Calendar.from_ical(event.data).walk("VEVENT"):
                found[str(part["SUMMARY"])] = (event, part)
        return found

    def titles(self, name):
        return sorted(self.entries(name))


FOREIGN = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//somebody else//EN
BEGIN:VEVENT
UID:dentist-1
DTSTAMP:20261122T100000Z
DTSTART:20311201T080000Z
DTEND:20311201T083000Z
SUMMARY:Dentist
END:VEVENT
END:VCALENDAR
"""
