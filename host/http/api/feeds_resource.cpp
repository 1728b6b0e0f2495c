#include "connections/connections.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "http/api/ics_document.hpp"
#include "http/api/resources.hpp"

#include <list>
#include <mutex>
#include <set>

namespace calbridge::http {
namespace {

constexpr TimeMs kDay = TimeMs{24} * 3600 * 1000;
constexpr std::size_t kCacheBytes = 4 << 20;

/// Whole feeds that were asked for lately, within a bound of bytes; the least recently used go first.
class FeedCache {
 public:
  std::shared_ptr<const std::string> find(const std::string& etag) {
    const std::lock_guard lock(mutex_);
    for (auto it = items_.begin(); it != items_.end(); ++it)
      if (it->etag == etag) {
        items_.splice(items_.begin(), items_, it);
        return it->body;
      }
    return nullptr;
  }

  void keep(const std::string& etag, std::shared_ptr<const std::string> body) {
    if (body->size() > kCacheBytes / 2)
      return;
    const std::lock_guard lock(mutex_);
    bytes_ += body->size();
    items_.push_front({etag, std::move(body)});
    while (bytes_ > kCacheBytes) {
      bytes_ -= items_.back().body->size();
      items_.pop_back();
    }
  }

 private:
  struct Item {
    std::string etag;
    std::shared_ptr<const std::string> body;
  };
  std::mutex mutex_;
  std::list<Item> items_;
  std::size_t bytes_ = 0;
};

std::shared_ptr<const std::string> assemble(Services& services, const store::ConnectionRecord& feed, TimeMs today) {
  const auto pieces = services.store.feedPieces(feed.id, today - services.site.pastFeedDays * kDay,
                                                today - services.site.cancelledFeedDays * kDay);
  std::set<std::string> zones;
  std::size_t size = 0;
  for (const auto& piece : pieces) {
    zones.insert(piece.timezone);
    size += piece.rendering.size();
  }
  Provider* provider = services.providers.find(feed.provider);
  if (!provider)
    throw Error("provider_not_configured", "feeds are not enabled at the moment");
  CallContext context;
  context.timeout = std::chrono::seconds(10);
  const auto frame = provider->feed({.name = "Appointments", .timezones = {zones.begin(), zones.end()}}, context);
  if (const auto* failure = std::get_if<Failure>(&frame))
    throw Error("internal_error", "the feed could not be made", failure->message);
  const auto& around = std::get<FeedFrame>(frame);
  auto body = std::make_shared<std::string>();
  body->reserve(around.head.size() + size + around.tail.size());
  *body += around.head;
  for (const auto& piece : pieces)
    *body += piece.rendering;
  *body += around.tail;
  return body;
}

/// RFC 9110 section 13.1.2: any of the listed tags, compared weakly.
bool listsTag(std::string_view header, const std::string& etag) {
  return header == "*" || header.find(etag) != std::string_view::npos;
}

Response getFeed(Services& services, FeedCache& cache, Exchange& exchange) {
  const auto feed = services.connections.feeds().find(exchange.parameter("secret"));
  if (!feed)
    throw Error("not_found", "there is no feed under this address (any more)");
  // What a feed shows depends on its entries and, because old ones leave it, on the day.
  const TimeMs today = services.clock.now() / kDay * kDay;
  const std::string etag = "\"" +
                           sha256Hex(std::to_string(feed->id) + "/" + std::to_string(feed->feedRevision) + "/" +
                                     std::to_string(feed->createdAt) + "/" + std::to_string(today))
                               .substr(0, 32) +
                           "\"";
  const TimeMs changed = std::max({feed->createdAt, feed->lastSyncAt, today});

  Response answer;
  answer.header("ETag", etag);
  answer.header("Last-Modified", formatHttpDate(changed));
  answer.header("Cache-Control", "private, no-store");
  answer.header("Referrer-Policy", "no-referrer");
  const auto noneMatch = exchange.request.headers.find("If-None-Match");
  const auto since = exchange.request.headers.find("If-Modified-Since");
  const bool unchanged = noneMatch ? listsTag(*noneMatch, etag)
                         : since   ? parseHttpDate(*since).value_or(0) / 1000 >= changed / 1000
                                   : false;
  if (unchanged) {
    answer.status = 304;
    return answer;
  }
  answer.header("Content-Type", "text/calendar; charset=utf-8");
  answer.header("Content-Disposition", "inline; filename=\"calendar.ics\"");
  answer.sharedBody = cache.find(etag);
  if (!answer.sharedBody) {
    answer.sharedBody = assemble(services, *feed, today);
    cache.keep(etag, answer.sharedBody);
  }
  return answer;
}

} // namespace

void addFeeds(RouteTable& table, Services& services) {
  auto cache = std::make_shared<FeedCache>();
  table.add("GET", "/api/calendar/feed/{secret}.ics", Access::open,
            [&services, cache](Exchange& e) { return getFeed(services, *cache, e); });
}

} // namespace calbridge::http
