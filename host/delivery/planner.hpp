#pragma once
#include "core/event.hpp"
#include "routing/router.hpp"
#include "store/store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace calbridge::delivery {

/// An accepted event on its way through routing.
struct JournaledEvent {
  std::int64_t seq = 0;
  Event event;
};

/// Turns events into what calendars should say: loads what is known about the appointments, asks the router, and makes
/// one write of it for the store. Holds no state of its own; one thread at a time per appointment (the store's
/// optimistic check catches others).
class Planner {
 public:
  Planner(std::shared_ptr<const routing::RoutingPolicy> policy,
          std::shared_ptr<const routing::DirectorySnapshot> directory)
      : policy_(std::move(policy)), directory_(std::move(directory)) {}

  /// Routes the events in the order given. `states` must hold every appointment of the events.
  store::RoutingWrite plan(const std::vector<JournaledEvent>& events, std::vector<store::AppointmentState> states,
                           TimeMs now) const;
  /// Decides again about appointments, without an event: the policy or the directory has changed.
  store::RoutingWrite replan(std::vector<store::AppointmentState> states, TimeMs now) const;

 private:
  std::shared_ptr<const routing::RoutingPolicy> policy_;
  std::shared_ptr<const routing::DirectorySnapshot> directory_;
};

} // namespace calbridge::delivery
