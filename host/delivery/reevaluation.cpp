#include "delivery/reevaluation.hpp"
#include "delivery/planner.hpp"

#include <algorithm>
#include <set>

namespace calbridge::delivery {
namespace {

constexpr std::size_t kPage = 64;
constexpr const char* kDecidedUnder = "decided_under";    ///< policy and directory of the last complete pass
constexpr const char* kHeldUnder = "removals_held_under"; ///< the policy under which removals are held back; or nothing

/// Leaves out what takes an entry away.
void spareRemovals(store::RoutingWrite& write) {
  std::erase_if(write.placements, [](const auto& placement) { return !placement.present; });
  std::set<std::string> left;
  for (const auto& placement : write.placements)
    left.insert(placement.appointmentId);
  std::erase_if(write.appointments, [&](const auto& appointment) { return !left.contains(appointment.id); });
}

} // namespace

Reevaluation::Reevaluation(store::Store& store, DirectoryCache& directory, Policy policy, const Clock& clock,
                           Logger& logger, Brake brake)
    : store_(store), directory_(directory), policy_(std::move(policy)), clock_(clock), logger_(logger), brake_(brake) {}

std::string Reevaluation::circumstances() const {
  return policy_()->digest() + "/" + std::to_string(store_.directoryVersion());
}

bool Reevaluation::outdated() const {
  return store_.meta(kDecidedUnder).value_or("") != circumstances();
}

void Reevaluation::request() {
  const std::lock_guard lock(mutex_);
  requested_ = true;
}

Reevaluation::Held Reevaluation::confirmRemovals() {
  const std::lock_guard lock(mutex_);
  if (held_.removals > 0)
    requested_ = confirmed_ = true;
  return held_;
}

bool Reevaluation::wanted() const {
  const std::lock_guard lock(mutex_);
  return requested_ || round_ != Round::none;
}

Reevaluation::Progress Reevaluation::progress() const {
  const std::lock_guard lock(mutex_);
  return {requested_ || round_ != Round::none, done_};
}

Reevaluation::Held Reevaluation::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

std::int64_t Reevaluation::step() {
  const std::string now_under = circumstances();
  {
    const std::lock_guard lock(mutex_);
    if (requested_) {
      requested_ = false;
      under_ = now_under;
      policyOfPass_ = now_under.substr(0, now_under.rfind('/'));
      upTo_.clear();
      weighed_ = {};
      changes_ = 0;
      sparing_ = false;
      pardoned_ = confirmed_;
      round_ = pardoned_ ? Round::applying : Round::weighing;
      done_ = 0;
    }
    if (round_ == Round::none)
      return 0;
  }
  const TimeMs now = clock_.now();
  const auto ids = store_.openAppointments(now, upTo_, kPage);
  const std::int64_t changed = ids.empty() ? 0 : decide(ids, now);
  if (!ids.empty())
    upTo_ = ids.back();
  bool over = ids.size() < kPage;
  {
    const std::lock_guard lock(mutex_);
    done_ += static_cast<std::int64_t>(ids.size());
    over = over && !requested_;
  }
  if (over)
    endRound();
  return changed;
}

std::int64_t Reevaluation::decide(const std::vector<std::string>& ids, TimeMs now) {
  for (;;) {
    auto states = store_.appointmentStates(ids);
    const bool weighing = round_ == Round::weighing; // written on this thread alone
    std::int64_t entries = 0;
    if (weighing)
      for (const auto& state : states)
        entries += std::count_if(state.placements.begin(), state.placements.end(),
                                 [](const auto& placement) { return placement.present; });
    auto write = Planner(policy_(), directory_.current()).replan(std::move(states), now);
    if (weighing) {
      weighed_.entries += entries;
      weighed_.removals += std::count_if(write.placements.begin(), write.placements.end(),
                                         [](const auto& placement) { return !placement.present; });
      changes_ += static_cast<std::int64_t>(write.placements.size());
      return 0;
    }
    if (sparing_)
      spareRemovals(write);
    if (write.placements.empty() || store_.applyRouting(write, now))
      return static_cast<std::int64_t>(write.placements.size()); // else one of them changed meanwhile
  }
}

void Reevaluation::endRound() {
  if (round_ == Round::applying || changes_ == 0) {
    endPass();
    return;
  }
  const bool unusual = weighed_.removals >= brake_.atLeast &&
                       static_cast<double>(weighed_.removals) > brake_.share * static_cast<double>(weighed_.entries);
  // What was added since would make the same removals a smaller share.
  sparing_ = unusual || (weighed_.removals > 0 && store_.meta(kHeldUnder).value_or("") == policyOfPass_);
  upTo_.clear();
  const std::lock_guard lock(mutex_);
  round_ = Round::applying;
  done_ = 0;
}

void Reevaluation::endPass() {
  const std::string heldUnder = sparing_ ? policyOfPass_ : "";
  if (store_.meta(kHeldUnder).value_or("") != heldUnder)
    store_.setMeta(kHeldUnder, heldUnder);
  if (!sparing_)
    store_.setMeta(kDecidedUnder, under_);
  Held before;
  std::int64_t done = 0;
  {
    const std::lock_guard lock(mutex_);
    round_ = Round::none;
    before = std::exchange(held_, sparing_ ? weighed_ : Held{});
    if (pardoned_)
      confirmed_ = false;
    done = done_;
  }
  logger_.write(done > 0 ? Logger::Level::info : Logger::Level::debug, "all open appointments were decided again",
                {{"appointments", std::to_string(done)}});
  if (sparing_ && before.removals != weighed_.removals)
    logger_.error(
        "the deletion brake holds removals back: by today's roles, routes and people so many entries would go "
        "away. If that is right, `calbridge resync --confirm-removals`; if not, correct the configuration",
        {{"removals", std::to_string(weighed_.removals)}, {"of", std::to_string(weighed_.entries)}});
}

} // namespace calbridge::delivery
