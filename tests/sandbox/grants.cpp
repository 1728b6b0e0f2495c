#include "grants.hpp"

#include "core/digest.hpp"

namespace calbridge::sandbox {

namespace {
constexpr TimeMs kDay = 24LL * 3600 * 1000;
}

Grants::Grants(Settings& settings, const Clock& clock, Random& random, Accounts& accounts)
    : settings_(settings), clock_(clock), random_(random), accounts_(accounts) {}

void Grants::addClient(Kind kind, Client client) {
  std::unique_lock lock(mutex_);
  clients_[{kind, client.id}] = std::move(client);
}

std::optional<Client> Grants::client(Kind kind, const std::string& id) const {
  std::shared_lock lock(mutex_);
  auto found = clients_.find({kind, id});
  return found == clients_.end() ? std::nullopt : std::optional(found->second);
}

std::string Grants::park(Authorization asked) {
  std::string handle = random_.token(16);
  std::unique_lock lock(mutex_);
  if (parked_.size() > 10000) // pages that nobody answered
    parked_.clear();
  parked_[handle] = std::move(asked);
  return handle;
}

std::optional<Authorization> Grants::unpark(const std::string& handle) {
  std::unique_lock lock(mutex_);
  auto node = parked_.extract(handle);
  return node.empty() ? std::nullopt : std::optional(std::move(node.mapped()));
}

void Grants::decideNext(Kind kind, Decision decision) {
  std::unique_lock lock(mutex_);
  auto& waiting = decisions_[kind];
  if (!waiting.empty() && waiting.back().count == 0)
    waiting.pop_back();
  waiting.push_back(std::move(decision));
}

std::optional<Decision> Grants::takeDecision(Kind kind) {
  std::unique_lock lock(mutex_);
  auto& waiting = decisions_[kind];
  if (waiting.empty())
    return std::nullopt;
  Decision decision = waiting.front();
  if (decision.count == 1)
    waiting.pop_front();
  else if (decision.count > 1)
    --waiting.front().count;
  return decision;
}

std::string Grants::allow(const Authorization& asked, const std::string& email, std::vector<std::string> scopes) {
  accounts_.findOrMake(asked.kind, email);
  Code code;
  code.asked = asked;
  code.email = email;
  code.scopes = std::move(scopes);
  code.expires = clock_.now() + settings_.codeSeconds * 1000LL;
  std::unique_lock lock(mutex_);
  if (asked.kind == Kind::google) {
    // A refresh token comes with the first offline consent, and again only when consent is asked for again.
    bool first = !consents_.contains({asked.kind, email, asked.client});
    code.refresh = asked.offline && (first || asked.promptConsent);
    if (asked.offline)
      consents_.insert({asked.kind, email, asked.client});
  } else {
    code.refresh = asked.offline;
  }
  std::string text = (asked.kind == Kind::google ? "4/0A" : "M.C5_BAY.2.") + random_.token(48);
  codes_[text] = std::move(code);
  return text;
}

Grants::Redeem Grants::redeem(Kind kind, const std::string& code, const std::string& client,
                              const std::string& redirectUri, const std::optional<std::string>& verifier, Code& out) {
  std::unique_lock lock(mutex_);
  auto found = codes_.find(code);
  if (found == codes_.end() || found->second.asked.kind != kind)
    return Redeem::unknown;
  Code& held = found->second;
  if (held.asked.client != client)
    return Redeem::otherClient;
  if (held.used)
    return Redeem::used;
  if (held.expires <= clock_.now())
    return Redeem::expired;
  held.used = true;
  if (held.asked.redirectUri != redirectUri)
    return Redeem::redirectUri;
  if (!held.asked.challenge.empty()) {
    if (!verifier || verifier->empty())
      return Redeem::verifierMissing;
    std::string made = held.asked.plainChallenge ? *verifier : pkceChallenge(*verifier);
    if (made != held.asked.challenge)
      return Redeem::verifierWrong;
  } else if (verifier) {
    return Redeem::verifierWrong;
  }
  out = held;
  return Redeem::ok;
}

std::string Grants::issueAccess(Kind kind, const std::string& email, const std::string& client,
                                const std::vector<std::string>& scopes) {
  auto account = accounts_.findOrMake(kind, email);
  std::string token = (kind == Kind::google ? "ya29.a0" : "EwB4A8l6BAAU") + random_.token(96);
  std::unique_lock lock(mutex_);
  access_[token] =
      AccessToken{account, client, std::make_shared<const std::set<std::string>>(scopes.begin(), scopes.end()),
                  clock_.now() + settings_.accessTokenSeconds * 1000LL};
  return token;
}

std::string Grants::issueRefresh(Kind kind, const std::string& email, const std::string& client,
                                 const std::vector<std::string>& scopes) {
  std::string token = (kind == Kind::google ? "1//0" : "M.C5_BAY.0.U.-") + random_.token(72);
  std::unique_lock lock(mutex_);
  std::vector<std::pair<std::int64_t, std::string>> live;
  for (auto& [text, held] : refresh_)
    if (held.kind == kind && held.email == email && held.client == client)
      live.emplace_back(held.order, text);
  std::sort(live.begin(), live.end());
  // Microsoft hands out a new one with every refresh: only Google counts them.
  auto limit = static_cast<std::size_t>(settings_.liveRefreshTokens);
  for (std::size_t i = 0; kind == Kind::google && i + limit <= live.size(); ++i)
    refresh_.erase(live[i].second);
  refresh_[token] = RefreshToken{kind, email, client, scopes, clock_.now(), clock_.now(), ++issued_};
  return token;
}

std::optional<RefreshToken> Grants::useRefresh(Kind kind, const std::string& token, const std::string& client) {
  std::unique_lock lock(mutex_);
  auto found = refresh_.find(token);
  if (found == refresh_.end() || found->second.kind != kind || found->second.client != client)
    return std::nullopt;
  RefreshToken& held = found->second;
  TimeMs now = clock_.now();
  bool dead = kind == Kind::google
                  ? now - held.lastUsed > 180 * kDay || (settings_.googleTesting && now - held.issued > 7 * kDay)
                  : now - held.issued > 90 * kDay;
  if (dead) {
    refresh_.erase(found);
    return std::nullopt;
  }
  held.lastUsed = now;
  return held;
}

void Grants::forgetRefresh(const std::string& token) {
  std::unique_lock lock(mutex_);
  refresh_.erase(token);
}

std::optional<AccessToken> Grants::access(Kind kind, const std::string& token) const {
  std::shared_lock lock(mutex_);
  auto found = access_.find(token);
  if (found == access_.end() || found->second.account->kind != kind || found->second.expires <= clock_.now())
    return std::nullopt;
  return found->second;
}

void Grants::revokeGrant(Kind kind, const std::string& email, const std::string* client) {
  std::erase_if(refresh_, [&](auto& item) {
    return item.second.kind == kind && item.second.email == email && (!client || item.second.client == *client);
  });
  std::erase_if(access_, [&](auto& item) {
    return item.second.account->kind == kind && item.second.account->email == email &&
           (!client || item.second.client == *client);
  });
  std::erase_if(codes_, [&](auto& item) {
    return item.second.asked.kind == kind && item.second.email == email &&
           (!client || item.second.asked.client == *client);
  });
  std::erase_if(consents_, [&](auto& item) {
    return std::get<0>(item) == kind && std::get<1>(item) == email && (!client || std::get<2>(item) == *client);
  });
}

bool Grants::revokeByToken(const std::string& token) {
  std::unique_lock lock(mutex_);
  if (auto found = refresh_.find(token); found != refresh_.end() && found->second.kind == Kind::google) {
    std::string email = found->second.email, client = found->second.client;
    revokeGrant(Kind::google, email, &client);
    return true;
  }
  auto found = access_.find(token);
  if (found == access_.end() || found->second.account->kind != Kind::google || found->second.expires <= clock_.now())
    return false;
  std::string email = found->second.account->email, client = found->second.client;
  revokeGrant(Kind::google, email, &client);
  return true;
}

std::size_t Grants::revokeAccount(Kind kind, const std::string& email) {
  std::unique_lock lock(mutex_);
  std::size_t before = refresh_.size() + access_.size();
  revokeGrant(kind, email, nullptr);
  return before - refresh_.size() - access_.size();
}

std::size_t Grants::expireAccess(Kind kind, const std::string& email) {
  std::unique_lock lock(mutex_);
  std::size_t count = 0;
  for (auto& [text, held] : access_)
    if (held.account->kind == kind && (email.empty() || held.account->email == email)) {
      held.expires = 0;
      ++count;
    }
  return count;
}

std::string Grants::owner(const std::string& text) const {
  std::shared_lock lock(mutex_);
  if (auto found = access_.find(text); found != access_.end())
    return found->second.account->email;
  if (auto found = refresh_.find(text); found != refresh_.end())
    return found->second.email;
  if (auto found = codes_.find(text); found != codes_.end())
    return found->second.email;
  return {};
}

std::size_t Grants::liveRefreshTokens(Kind kind, const std::string& email) const {
  std::shared_lock lock(mutex_);
  std::size_t count = 0;
  for (auto& [text, held] : refresh_)
    count += held.kind == kind && held.email == email ? 1 : 0;
  return count;
}

void Grants::clear() {
  std::unique_lock lock(mutex_);
  parked_.clear();
  decisions_.clear();
  codes_.clear();
  access_.clear();
  refresh_.clear();
  consents_.clear();
}

} // namespace calbridge::sandbox
