// sample_feed FOLDER: writes feed.ics (a few hundred random entries), expected.json (what a reader must find in it) and
// zones.ics (every zone of the system) for the parsers that are not ours.
#include "core/time.hpp"
#include "icalendar/mapping.hpp"
#include "icalendar/timezone.hpp"
#include "plugins/random_text.hpp"

#include <array>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

using namespace calbridge;
using Json = nlohmann::json;

namespace {

constexpr int kEntries = 400;
constexpr std::array kZones = {
    "Europe/London",     "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Africa/Cairo",      "America/St_Johns", "Asia/Tehran",  "Pacific/Chatham",     "Europe/Dublin",
    "Africa/Casablanca", "Asia/Jerusalem",   "UTC",          "Mars/Olympus"};

std::string twoDigits(unsigned value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

sdk::PushRequest randomRequest(std::mt19937& random, int number) {
  const auto roll = [&](unsigned sides) { return static_cast<unsigned>(random() % sides); };
  const auto pick = [&](auto... options) {
    const std::array<const char*, sizeof...(options)> all = {options...};
    return std::string(all[random() % all.size()]);
  };
  sdk::PushRequest request;
  request.uid = "sample-" + std::to_string(number);
  request.sequence = static_cast<std::int64_t>(roll(1000));
  request.stamp = "2026-11-22T10:00:" + twoDigits(roll(60)) + "Z";
  request.hasEntry = true;
  sdk::Entry& entry = request.entry;
  entry.title = testing::randomText(random, roll(50));
  entry.description = testing::randomText(random, roll(300));
  entry.location = testing::randomText(random, roll(80));
  entry.timezone = kZones[roll(kZones.size())];
  entry.allDay = roll(5) == 0;
  const std::string date =
      std::to_string(2005 + roll(31)) + "-" + twoDigits(1 + roll(12)) + "-" + twoDigits(1 + roll(27));
  const unsigned hour = 4 + roll(19); // no hour that a change of the clocks skips or repeats
  const std::string minute = ":" + twoDigits(roll(60)) + ":00";
  entry.start = entry.allDay ? date : date + "T" + twoDigits(hour) + minute;
  entry.end = entry.allDay ? date.substr(0, 8) + twoDigits(static_cast<unsigned>(std::stoi(date.substr(8))) + 1)
                           : date + "T" + twoDigits(hour + 1) + minute;
  const std::string zone = isTimeZone(entry.timezone) ? entry.timezone : "UTC";
  const auto utc = [&](const std::string& local) {
    return formatRfc3339(localToUtc(entry.allDay ? local + "T00:00:00" : local, zone).value());
  };
  entry.startUtc = utc(entry.start);
  entry.endUtc = utc(entry.end);
  for (unsigned i = roll(4); i > 0; --i) {
    entry.reminders.push_back(static_cast<int>(roll(40321)));
  }
  entry.showAs = pick("busy", "free");
  entry.visibility = pick("default", "public", "private", "confidential");
  entry.status = pick("confirmed", "tentative");
  entry.url = pick("", "https://app.example/o/77?a=b&c=d;e,f");
  return request;
}

Json expectation(const sdk::PushRequest& request, const std::string& status) {
  const sdk::Entry& entry = request.entry;
  const bool gone = status == "CANCELLED";
  return {{"uid", ics::eventUid(request.uid)},
          {"title", ics::cleanText(entry.title)},
          {"description", ics::cleanText(entry.description)},
          {"location", ics::cleanText(entry.location)},
          {"all_day", entry.allDay},
          {"start", entry.start},
          {"end", entry.end},
          {"timezone", entry.timezone},
          {"start_utc", entry.startUtc},
          {"end_utc", entry.endUtc},
          {"reminders", gone ? std::vector<int>() : entry.reminders},
          {"transparent", gone || entry.showAs == "free"},
          {"visibility", entry.visibility},
          {"status", status},
          {"sequence", request.sequence + (gone ? 1 : 0)},
          {"stamp", request.stamp},
          {"url", entry.url}};
}

std::vector<std::string> zoneNames() {
  std::ifstream file("/usr/share/zoneinfo/zone1970.tab");
  std::vector<std::string> out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string code, place, name;
    if (!line.starts_with("#") && fields >> code >> place >> name) {
      out.push_back(name);
    }
  }
  return out;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: sample_feed FOLDER\n";
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/";
  std::mt19937 random(5545);
  ics::Zones zones;
  std::vector<std::string> zoneTexts;
  for (const std::string zone : kZones) {
    zoneTexts.push_back(ics::isUtc(zone) ? std::string() : zones.text(zone));
  }
  const std::string name = "Bookings; of John, \\ & all\nthe others: \xF0\x9F\x93\x85 " + std::string(80, 'x');
  std::string feed = ics::renderHead(name, zoneTexts);
  Json expected = {{"name", ics::cleanText(name)}, {"entries", Json::array()}};
  for (int i = 0; i < kEntries; ++i) {
    const sdk::PushRequest request = randomRequest(random, i);
    const bool zoneKnown = zones.known(request.entry.timezone);
    const bool gone = i % 10 == 0;
    feed += gone ? ics::renderCancelled(request, zoneKnown) : ics::renderEvent(request, zoneKnown);
    const std::string live = request.entry.status == "tentative" ? "TENTATIVE" : "CONFIRMED";
    expected["entries"].push_back(expectation(request, gone ? "CANCELLED" : live));
  }
  feed += ics::renderTail();

  std::string all = ics::renderHead("Zones", {});
  for (const std::string& zone : zoneNames()) {
    all += zones.text(zone);
  }
  all += ics::renderTail();
  std::ofstream(folder + "feed.ics", std::ios::binary) << feed;
  std::ofstream(folder + "expected.json", std::ios::binary) << expected.dump();
  std::ofstream(folder + "zones.ics", std::ios::binary) << all;
  return 0;
}
