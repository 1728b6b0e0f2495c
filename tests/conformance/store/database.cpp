#include "database.hpp"

#include "postgresql/server.hpp"
#include "store/postgresql/session.hpp"
#include "store/sqlite/session.hpp"

#include <cstdlib>
#include <filesystem>

namespace conformance {
namespace {

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase() {
    std::string pattern = (std::filesystem::temp_directory_path() / "calbridge-store-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      throw std::runtime_error("no temporary directory: " + pattern);
    folder_ = pattern;
  }
  ~SqliteDatabase() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::unique_ptr<Store> open() override { return openStore("sqlite:" + (folder_ / "test.db").string()); }
  void execute(const std::string& sql) override {
    sqlite::Session((folder_ / "test.db").string(), sqlite::Session::Role::writer).script(sql);
  }

 private:
  std::filesystem::path folder_;
};

/// A schema of its own on one server for all tests.
class PostgresqlDatabase final : public Database {
 public:
  PostgresqlDatabase() {
    static testing::PostgresqlServer server;
    static int count = 0;
    const std::string schema = "test" + std::to_string(++count);
    postgresql::Session(server.url()).script("CREATE SCHEMA " + schema);
    url_ = server.url() + "?options=-csearch_path%3D" + schema;
  }
  std::unique_ptr<Store> open() override {
    return openStore(url_, {.node = "test", .nodeLifetime = std::chrono::seconds(15), .callersClock = true});
  }
  void execute(const std::string& sql) override { postgresql::Session(url_).script(sql); }

 private:
  std::string url_;
};

} // namespace

const std::vector<Factory>& factories() {
  static const std::vector<Factory> kFactories{
      {"sqlite", []() -> std::unique_ptr<Database> { return std::make_unique<SqliteDatabase>(); }},
      {"postgresql", []() -> std::unique_ptr<Database> { return std::make_unique<PostgresqlDatabase>(); }},
  };
  // One run of the program for each, so that ctest counts them, and skips, apart.
  static const std::vector<Factory> kChosen = [] {
    const char* wanted = std::getenv("CALBRIDGE_TEST_STORE");
    std::vector<Factory> chosen;
    for (const auto& factory : kFactories)
      if (factory.name == (wanted != nullptr ? wanted : "sqlite"))
        chosen.push_back(factory);
    if (chosen.empty())
      throw std::runtime_error("CALBRIDGE_TEST_STORE names no store");
    return chosen;
  }();
  return kChosen;
}

void Fixture::person(const std::string& id) {
  store->putPerson({id, "Name of " + id, id + "@example.com", "customer", "Europe/London", {}}, std::nullopt);
}

ConnectionRecord Fixture::connect(const std::string& personId, const std::string& provider,
                                  const std::string& accountId, TimeMs now) {
  ConnectionRecord fresh;
  fresh.personId = personId;
  fresh.provider = provider;
  fresh.accountId = accountId;
  fresh.account = accountId + "@example.com";
  return store->connect(
      fresh, [](std::int64_t id) { return "sealed for " + std::to_string(id); }, now);
}

PlacementRecord Fixture::place(const std::string& appointmentId, const std::string& personId, const std::string& title,
                               TimeMs now, bool present, TimeMs start) {
  const std::vector<std::string> ids{appointmentId};
  auto state = store->appointmentStates(ids).at(0);
  PlacementRecord placement;
  for (const auto& known : state.placements) {
    if (known.personId == personId)
      placement = known;
  }
  placement.appointmentId = appointmentId;
  placement.personId = personId;
  placement.present = present;
  placement.route = "test route";
  placement.decidedAt = now;
  ++placement.revision;
  placement.entry.title = title;
  placement.entry.time = {false, "2027-01-16T08:00:00", "2027-01-16T09:00:00", "Europe/London", start, start + kHour};
  placement.entry.reminders = {10, 60};
  placement.contentHash = contentHash(placement.entry);
  RoutingWrite write;
  state.appointment.endUtc = start + kHour;
  state.appointment.snapshot = nlohmann::json{{"id", appointmentId}}.dump();
  write.appointments.push_back(state.appointment);
  write.placements.push_back(placement);
  REQUIRE(store->applyRouting(write, now));
  return store->placement("appointment", appointmentId, personId).value();
}

Store::Claim Fixture::claim(TimeMs now, std::size_t limit, TimeMs leaseMs) {
  return store->claimDeliveries(now, limit, leaseMs, [](std::int64_t, const std::string&) { return true; });
}

DeliveryTask Fixture::claimOne(TimeMs now) {
  auto claimed = claim(now);
  REQUIRE(claimed.tasks.size() == 1);
  return claimed.tasks.front();
}

void Fixture::deliverOne(TimeMs now) {
  record(success(claimOne(now), now));
}

DeliveryRecord Fixture::delivery(const PlacementRecord& placement) {
  const auto found = store->deliveriesOfPlacement(placement.id);
  REQUIRE(found.size() == 1);
  return found.front();
}

DeliveryOutcome success(const DeliveryTask& task, TimeMs at) {
  DeliveryOutcome outcome;
  outcome.placementId = task.placementId;
  outcome.connectionId = task.connectionId;
  outcome.fence = task.fence;
  outcome.kind = task.wanted ? DeliveryOutcome::Kind::delivered : DeliveryOutcome::Kind::removed;
  outcome.wanted = task.wanted;
  outcome.revision = task.revision;
  outcome.generation = task.generation;
  outcome.contentHash = task.contentHash;
  if (task.wanted) {
    outcome.providerEventId = "event-" + std::to_string(task.placementId);
    outcome.etag = "etag-" + std::to_string(task.revision);
  }
  outcome.at = at;
  outcome.settledAt = at + kMinute;
  return outcome;
}

DeliveryOutcome failure(const DeliveryTask& task, DeliveryOutcome::Kind kind, TimeMs retryAt) {
  DeliveryOutcome outcome = success(task);
  outcome.kind = kind;
  outcome.providerEventId.clear();
  outcome.etag.clear();
  outcome.retryAt = retryAt;
  outcome.errorCode = "backendError";
  outcome.errorMessage = "The provider failed";
  return outcome;
}

NewEvent newEvent(const std::string& id, const std::string& hash, const std::string& source) {
  return {source, id, "order.confirmed", kNow, hash, R"({"id":")" + id + R"("})"};
}

} // namespace conformance
