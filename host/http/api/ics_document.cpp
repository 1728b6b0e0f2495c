#include "http/api/ics_document.hpp"
#include "core/error.hpp"
#include "delivery/delivery_engine.hpp"

namespace calbridge::http {

Provider& feedProvider(const Services& services) {
  for (Provider* provider : services.providers.all())
    if (provider->info().can("feed"))
      return *provider;
  throw Error("provider_not_configured", "no provider that makes .ics files is enabled");
}

std::string icsDocument(const Services& services, const store::PlacementRecord& placement) {
  Provider& provider = feedProvider(services);
  PushRequest push;
  const auto& identity = services.engine.identity();
  push.uid = identity.uid(placement.personId, placement.appointmentId, "");
  push.idempotencyKey = identity.idempotencyKey(placement.personId, placement.appointmentId, "", 0);
  push.sequence = placement.revision;
  push.stamp = placement.decidedAt;
  push.entry = placement.entry;
  CallContext context;
  context.timeout = std::chrono::seconds(5);
  const auto piece = provider.push(push, context);
  const auto frame =
      provider.feed({.name = placement.entry.title, .timezones = {placement.entry.time.timezone}}, context);
  if (const auto* failure = std::get_if<Failure>(&piece))
    throw Error("internal_error", "the .ics file could not be made", failure->message);
  if (const auto* failure = std::get_if<Failure>(&frame))
    throw Error("internal_error", "the .ics file could not be made", failure->message);
  const auto& around = std::get<FeedFrame>(frame);
  return around.head + std::get<PushReply>(piece).rendering + around.tail;
}

} // namespace calbridge::http
