#include "connections/feed_links.hpp"
#include "core/digest.hpp"

namespace calbridge::connections {

FeedLinks::FeedLinks(store::Store& store, const Providers& providers, PersonLocks& locks, const Clock& clock,
                     Random& random, Logger& log, std::string publicUrl)
    : store_(store), providers_(providers), locks_(locks), clock_(clock), random_(random), log_(log),
      publicUrl_(publicUrl.ends_with('/') ? publicUrl.substr(0, publicUrl.size() - 1) : std::move(publicUrl)) {}

FeedUrls FeedLinks::connect(const Person& person, const AllowedProviders& allowed, const std::string& provider) {
  usableProvider(providers_, provider, "feed", allowed);
  const std::string secret = random_.token(32);
  store::ConnectionRecord fresh;
  fresh.personId = person.id;
  fresh.provider = provider;
  fresh.feedSecretHash = sha256Hex(secret);
  fresh.createdAt = clock_.now();
  std::int64_t id = 0;
  {
    const auto lock = locks_.hold(person.id);
    id = store_
             .connect(
                 fresh, [](std::int64_t) { return std::string(); }, fresh.createdAt)
             .id;
  }
  log_.info("calendar feed connected",
            {{"provider", provider}, {"person", person.id}, {"connection", std::to_string(id)}});
  FeedUrls urls;
  urls.feedUrl = publicUrl_ + "/api/calendar/feed/" + secret + ".ics";
  urls.webcalUrl = "webcal" + urls.feedUrl.substr(urls.feedUrl.find("://"));
  return urls;
}

std::optional<store::ConnectionRecord> FeedLinks::find(std::string_view secret) const {
  if (secret.size() != 43) // 32 bytes in base64url; spares the database what cannot be one
    return std::nullopt;
  auto record = store_.connectionByFeedSecret(sha256Hex(secret));
  if (!record || record->state != "connected")
    return std::nullopt;
  return record;
}

} // namespace calbridge::connections
