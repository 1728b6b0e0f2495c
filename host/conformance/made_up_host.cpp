#include "conformance/made_up_host.hpp"

#include "core/error.hpp"
#include "core/url.hpp"

#include <algorithm>

namespace calbridge::conformance {
namespace {

/// The host's egress rules (sdk/README.md, "egress"): why a URL may not be asked, or empty.
std::string refusal(const std::string& text, const std::vector<std::string>* allowed, bool anyHost) {
  const auto url = parseUrl(text);
  if (!url) {
    return "not an absolute http or https URL";
  }
  if (!url->secure() && !url->isLoopback()) {
    return "plain http is for loopback addresses only";
  }
  const std::string authority = url->authority();
  const auto allows = [&](const std::string& entry) {
    return entry.starts_with("*.")
               ? authority.size() > entry.size() - 1 && authority.ends_with(std::string_view(entry).substr(1))
               : authority == entry || entry == url->host + ":" + std::to_string(url->port);
  };
  const bool fine =
      (anyHost && url->secure()) || (allowed != nullptr && std::any_of(allowed->begin(), allowed->end(), allows));
  return fine ? std::string() : authority + " is not among the hosts that the manifest declares";
}

} // namespace

void SeededRandom::fill(std::span<std::uint8_t> out) {
  const std::lock_guard lock(mutex_);
  for (std::uint8_t& byte : out) {
    byte = static_cast<std::uint8_t>(engine_() & 0xFFU);
  }
}

void KeptLog::write(Level, std::string_view message, std::initializer_list<Field> fields) {
  std::string line(message);
  for (const auto& [name, value] : fields) {
    if (name == "stream") {
      return;
    }
    line.append(" ").append(name).append("=").append(value);
  }
  const std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
}

std::vector<std::string> KeptLog::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

std::optional<std::string> KeptValues::get(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = values_.find(key);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

void KeptValues::set(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  auto next = values_;
  next[key] = value;
  if (value.empty()) {
    next.erase(key);
  }
  std::size_t size = 0;
  for (const auto& [name, text] : next) {
    size += name.size() + text.size();
  }
  if (next.size() > 64 || size > 16384) {
    throw Error("quota_exceeded", "a connection keeps at most 64 keys and 16 KiB");
  }
  values_ = std::move(next);
}

std::map<std::string, std::string> KeptValues::all() const {
  const std::lock_guard lock(mutex_);
  return values_;
}

void KeptValues::restore(std::map<std::string, std::string> values) {
  const std::lock_guard lock(mutex_);
  values_ = std::move(values);
}

HttpResult MadeUpNetwork::send(const HttpRequest& request, const HttpOptions& options) {
  std::size_t nth = 0;
  {
    const std::lock_guard lock(mutex_);
    nth = exchanges_.size();
    exchanges_.push_back({request, refusal(request.url, options.allowedHosts, anyHost), 0});
    if (!exchanges_.back().refused.empty()) {
      return {.response = {},
              .failure = HttpFailure{HttpFailure::Kind::refusedByEgress, false, exchanges_.back().refused}};
    }
  }
  if (options.cancelled != nullptr && options.cancelled->load()) {
    return noAnswer(HttpFailure::Kind::cancelled, false);
  }
  if (options.timeout.count() <= 0) {
    return noAnswer(HttpFailure::Kind::timeout, false);
  }
  if (instead) {
    if (auto result = instead(request, nth)) {
      const std::lock_guard lock(mutex_);
      exchanges_[nth].status = result->response ? result->response->status : 0;
      return std::move(*result);
    }
  }
  HttpResult result;
  {
    const std::lock_guard lock(mutex_);
    result.response = service.answer(request);
  }
  if (afterwards) {
    afterwards(request, result, nth);
  }
  const std::lock_guard lock(mutex_);
  exchanges_[nth].status = result.response ? result.response->status : 0;
  return result;
}

std::vector<Exchange> MadeUpNetwork::exchanges() const {
  const std::lock_guard lock(mutex_);
  return exchanges_;
}

void MadeUpNetwork::forget() {
  const std::lock_guard lock(mutex_);
  exchanges_.clear();
}

std::optional<MailFailure> MadeUpMail::send(const Mail& mail, const MailOptions& options) {
  {
    const std::lock_guard lock(mutex_);
    mails_.push_back({mail.from, mail.to, std::string(mail.message)});
  }
  MailFailure failure;
  if (options.cancelled != nullptr && options.cancelled->load()) {
    failure.kind = MailFailure::Kind::cancelled;
    return failure;
  }
  if (options.timeout.count() <= 0) {
    failure.kind = MailFailure::Kind::timeout;
    return failure;
  }
  return refuse ? refuse(mail) : std::nullopt;
}

std::vector<HandedOver> MadeUpMail::mails() const {
  const std::lock_guard lock(mutex_);
  return mails_;
}

void MadeUpMail::forbid(const std::string& envelope) {
  const std::lock_guard lock(mutex_);
  forbidden_.push_back(envelope);
}

std::vector<std::string> MadeUpMail::forbidden() const {
  const std::lock_guard lock(mutex_);
  return forbidden_;
}

HttpResult noAnswer(HttpFailure::Kind kind, bool sent) {
  return {.response = {}, .failure = HttpFailure{kind, sent, "no answer came"}};
}

} // namespace calbridge::conformance
