#pragma once
#include "connections/connections.hpp"
#include "core/random.hpp"
#include "delivery/reevaluation.hpp"
#include "routing/routing_policy.hpp"
#include "store/store.hpp"

#include <functional>
#include <nlohmann/json.hpp>

namespace calbridge::app {

class RotationThread;

/// What an operator's command does to an installation. Carried out inside the running host, which owns the database,
/// or, when none runs, by the command itself: the same code either way.
class HostControl {
 public:
  struct Parts {
    store::Store& store;
    const Clock& clock;
    Random& random;
    Logger& logger;
    std::function<std::string(const std::string&)> hashPassword;
    std::function<std::shared_ptr<const routing::RoutingPolicy>()> policy;
    std::function<void()> directoryChanged;                        ///< decide again about open appointments
    std::function<delivery::Reevaluation::Held()> confirmRemovals; ///< of the deletion brake; throws when no host runs
    RotationThread* rotation = nullptr;                            ///< of a running host
  };
  explicit HostControl(Parts parts) : parts_(std::move(parts)) {}

  /// `request` is {"command": "people.add", …}. Returns the answer; throws Error for what is wrong with the request.
  nlohmann::json run(const nlohmann::json& request);

 private:
  nlohmann::json addPerson(const nlohmann::json& request);
  nlohmann::json setPassword(const nlohmann::json& request);
  nlohmann::json createAppKey(const nlohmann::json& request);
  nlohmann::json snapshot(const nlohmann::json& request);
  nlohmann::json listAudit(const nlohmann::json& request);
  void note(const char* action, const std::string& personId, nlohmann::json detail = nlohmann::json::object());

  Parts parts_;
};

} // namespace calbridge::app
