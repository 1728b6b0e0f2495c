#pragma once
#include "core/error.hpp"
#include "postgresql/server.hpp"
#include "store/postgresql/session.hpp"
#include "store/store.hpp"

#include <catch2/catch.hpp>
#include <thread>

namespace on_postgresql {

using namespace calbridge;
using namespace calbridge::store;

constexpr TimeMs kNow = 1'800'000'000'000;
constexpr TimeMs kHour = 3'600'000;

/// The server of all tests of this program.
inline testing::PostgresqlServer& server() {
  static testing::PostgresqlServer running;
  return running;
}

/// An empty database (a schema) on it.
inline std::string freshUrl() {
  static int count = 0;
  const std::string schema = "test" + std::to_string(++count);
  postgresql::Session(server().url()).script("CREATE SCHEMA " + schema);
  return server().url() + "?options=-csearch_path%3D" + schema;
}

/// Waits for a condition; false when it does not come true in time.
template <typename Condition>
bool eventually(const Condition& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition())
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

inline std::unique_ptr<Store> openNode(const std::string& url, const std::string& name) {
  return openStore(url, {.node = name, .nodeLifetime = std::chrono::seconds(15), .callersClock = false});
}

inline NewEvent newEvent(const std::string& id, const std::string& hash = "hash") {
  return {"app", id, "order.confirmed", kNow, hash, R"({"id":")" + id + R"("})"};
}

inline ConnectionRecord connectPerson(Store& store, const std::string& id) {
  store.putPerson({id, "Name of " + id, id + "@example.com", "customer", "UTC", {}}, std::nullopt);
  ConnectionRecord fresh;
  fresh.personId = id;
  fresh.provider = "google";
  fresh.accountId = id;
  return store.connect(
      fresh, [](std::int64_t connection) { return "sealed for " + std::to_string(connection); }, kNow);
}

inline PlacementRecord place(Store& store, const std::string& appointmentId, const std::string& personId) {
  const std::vector<std::string> ids{appointmentId};
  RoutingWrite write;
  write.appointments.push_back(store.appointmentStates(ids).at(0).appointment);
  write.appointments[0].endUtc = kNow + kHour;
  write.appointments[0].snapshot = nlohmann::json{{"id", appointmentId}}.dump();
  PlacementRecord placement;
  placement.appointmentId = appointmentId;
  placement.personId = personId;
  placement.revision = 1;
  placement.contentHash = "hash";
  placement.entry.title = "Clean";
  placement.entry.time = {false, "2027-01-16T08:00:00", "2027-01-16T09:00:00", "UTC", kNow, kNow + kHour};
  write.placements.push_back(placement);
  REQUIRE(store.applyRouting(write, kNow));
  return store.placement("appointment", appointmentId, personId).value();
}

inline std::vector<DeliveryTask> claim(Store& store, TimeMs leaseMs = 60'000) {
  return store.claimDeliveries(kNow, 100, leaseMs, [](std::int64_t, const std::string&) { return true; }).tasks;
}

inline DeliveryOutcome delivered(const DeliveryTask& task) {
  DeliveryOutcome outcome;
  outcome.placementId = task.placementId;
  outcome.connectionId = task.connectionId;
  outcome.fence = task.fence;
  outcome.kind = DeliveryOutcome::Kind::delivered;
  outcome.revision = task.revision;
  outcome.contentHash = task.contentHash;
  outcome.providerEventId = "event";
  outcome.at = kNow;
  return outcome;
}

} // namespace on_postgresql
