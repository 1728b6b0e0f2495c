#pragma once
#include "calbridge/call.hpp"
#include "calbridge/messages.hpp"
#include "mapping.hpp"

#include <optional>
#include <string>
#include <vector>

namespace calbridge::outlook {

/// Brings one event of a person's default calendar into agreement with a push, for the length of one operation. In the
/// ordinary case that is one HTTP request. Every function throws sdk::Problem.
class EventSync {
 public:
  /// Borrows `call` and `request`.
  EventSync(sdk::Call& call, std::string baseUrl, const sdk::PushRequest& request);

  /// Updates the event that is known or found by our property, else makes it.
  sdk::PushReply upsert();
  /// Deletes it. Already gone is fine.
  void remove();

 private:
  sdk::HttpResponse send(std::string_view method, const std::string& path, std::string_view body = {});
  std::optional<sdk::PushReply> update(const std::string& id);
  std::optional<sdk::PushReply> updateFound();
  std::optional<sdk::PushReply> updateExisting(const std::string& id);
  sdk::PushReply create();
  std::vector<SeenEvent> find();
  bool erase(const std::string& id);
  sdk::Problem problem(const sdk::HttpResponse& response);

  sdk::Call& call_;
  std::string baseUrl_;
  const sdk::PushRequest& request_;
};

} // namespace calbridge::outlook
