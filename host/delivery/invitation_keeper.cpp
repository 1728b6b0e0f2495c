#include "delivery/invitation_keeper.hpp"
#include "connections/invitations.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

namespace calbridge::delivery {
namespace {

constexpr auto kBetweenSweeps = std::chrono::minutes(10);
constexpr auto kAfterFailure = std::chrono::seconds(5);

/// The providers that a role may use; none for a role that is not defined.
connections::AllowedProviders allowedTo(const routing::RoutingPolicy& policy, const Person& person) {
  const auto* role = policy.role(person.role);
  return role ? role->config().providers : std::vector<std::string>{};
}

} // namespace

InvitationKeeper::InvitationKeeper(connections::Invitations& invitations, store::Store& store,
                                   DirectoryCache& directory, Policy policy, Logger& logger)
    : invitations_(invitations), store_(store), directory_(directory), policy_(std::move(policy)), logger_(logger) {}

InvitationKeeper::~InvitationKeeper() {
  stop();
}

void InvitationKeeper::start() {
  if (invitations_.any())
    thread_ = std::thread([this] { run(); });
}

void InvitationKeeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void InvitationKeeper::sweep() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  wake_.notify_all();
}

void InvitationKeeper::look(const std::string& personId) {
  if (!invitations_.any())
    return;
  try {
    if (const auto person = store_.person(personId))
      invitations_.reconcile(*person, allowedTo(*policy_(), *person));
  } catch (const Error& error) {
    logger_.warning("a person's e-mail invitations could not be looked at; done soon",
                    {{"person", personId}, {"reason", error.message()}, {"detail", error.detail()}});
    sweep();
  }
}

void InvitationKeeper::run() {
  nameThread("invitations");
  standBehind(10);
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kBetweenSweeps, [this] { return stopping_ || wanted_; });
      if (stopping_)
        return;
      wanted_ = false;
    }
    if (sweepAll())
      continue;
    std::unique_lock lock(mutex_);
    wanted_ = true;
    wake_.wait_for(lock, kAfterFailure, [this] { return stopping_; });
  }
}

bool InvitationKeeper::sweepAll() {
  try {
    const auto directory = directory_.current();
    const auto policy = policy_();
    for (const Person& person : directory->everyone()) {
      {
        const std::lock_guard lock(mutex_);
        if (stopping_)
          return true;
      }
      invitations_.reconcile(person, allowedTo(*policy, person));
    }
    return true;
  } catch (const std::exception& error) {
    logger_.error("e-mail invitations could not be looked at; tried again", {{"reason", error.what()}});
    return false;
  }
}

} // namespace calbridge::delivery
