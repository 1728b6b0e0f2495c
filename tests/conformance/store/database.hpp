#pragma once
#include "core/error.hpp"
#include "store/store.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

/// The conformance suite of the store: each test runs against every implementation, one run of the program for each
/// (CALBRIDGE_TEST_STORE=sqlite|postgresql). A new one adds its factory in database.cpp and a line in CMakeLists.txt.
namespace conformance {

using namespace calbridge;
using namespace calbridge::store;

/// An empty database that lives as long as this object.
class Database {
 public:
  virtual ~Database() = default;
  /// Opens it; the store of an earlier call must be gone.
  virtual std::unique_ptr<Store> open() = 0;
  /// One statement of SQL past the store, as an operator's own client or a fault of ours would run it. Throws when the
  /// database refuses it.
  virtual void execute(const std::string& sql) = 0;
};

struct Factory {
  std::string name;
  std::unique_ptr<Database> (*create)();
};
const std::vector<Factory>& factories();

constexpr TimeMs kNow = 1'800'000'000'000;
constexpr TimeMs kMinute = 60'000;
constexpr TimeMs kHour = 60 * kMinute;

/// A store of one implementation, with shorthands for what most tests need.
class Fixture {
 public:
  explicit Fixture(const Factory& factory) : database(factory.create()), store(database->open()) {}

  /// Ends the store and opens it again, as after a restart.
  void reopen() {
    store.reset();
    store = database->open();
  }

  void person(const std::string& id);
  ConnectionRecord connect(const std::string& personId, const std::string& provider = "google",
                           const std::string& accountId = "account", TimeMs now = kNow);
  /// Stores a placement in its next revision through applyRouting; returns it as stored.
  PlacementRecord place(const std::string& appointmentId, const std::string& personId, const std::string& title,
                        TimeMs now = kNow, bool present = true, TimeMs start = kNow + 24 * kHour);
  PlacementRecord unplace(const std::string& appointmentId, const std::string& personId, TimeMs now = kNow) {
    return place(appointmentId, personId, "gone", now, false);
  }
  Store::Claim claim(TimeMs now = kNow, std::size_t limit = 100, TimeMs leaseMs = kMinute);
  /// Claims exactly one task.
  DeliveryTask claimOne(TimeMs now = kNow);
  void record(const DeliveryOutcome& outcome) { store->recordOutcomes({&outcome, 1}); }
  /// Delivers (or removes) the only task that is due.
  void deliverOne(TimeMs now = kNow);
  /// The only delivery of a placement.
  DeliveryRecord delivery(const PlacementRecord& placement);

  std::unique_ptr<Database> database;
  std::unique_ptr<Store> store;
};

/// The outcome that fits what the task wanted.
DeliveryOutcome success(const DeliveryTask& task, TimeMs at = kNow);
DeliveryOutcome failure(const DeliveryTask& task, DeliveryOutcome::Kind kind, TimeMs retryAt = 0);
NewEvent newEvent(const std::string& id, const std::string& hash = "hash", const std::string& source = "app");

/// Runs the rest of the test once for every implementation.
#define EVERY_STORE                                                                                                    \
  const auto& factory = conformance::factories()[GENERATE(range(std::size_t{0}, conformance::factories().size()))];    \
  INFO("store: " << factory.name);                                                                                     \
  conformance::Fixture f(factory)

} // namespace conformance
