#pragma once
#include "core/logger.hpp"
#include "delivery/directory_cache.hpp"
#include "routing/routing_policy.hpp"
#include "store/store.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace calbridge::connections {
class Invitations;
}

namespace calbridge::delivery {

/// Sees to it that exactly those people get e-mail invitations who should (connections::Invitations::reconcile): one
/// person at once when something about that person has changed, everybody in the background when roles or the directory
/// have, and now and then, so that nothing missed stays missed. Does nothing where no provider sends invitations.
class InvitationKeeper {
 public:
  using Policy = std::function<std::shared_ptr<const routing::RoutingPolicy>()>;

  /// All borrowed.
  InvitationKeeper(connections::Invitations& invitations, store::Store& store, DirectoryCache& directory, Policy policy,
                   Logger& logger);
  ~InvitationKeeper();

  void start();
  void stop();
  /// Looks at one person now, on the caller's thread. What fails is logged and made up for by a sweep.
  void look(const std::string& personId);
  /// Looks at everybody, soon. Cheap, from any thread.
  void sweep();

 private:
  void run();
  bool sweepAll();

  connections::Invitations& invitations_;
  store::Store& store_;
  DirectoryCache& directory_;
  const Policy policy_;
  Logger& logger_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool wanted_ = true;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace calbridge::delivery
