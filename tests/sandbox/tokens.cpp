#include "services.hpp"

#include "core/digest.hpp"

#include <sstream>

namespace calbridge::sandbox {

namespace {

/// The form of a token request, each name once; nullopt when it is none.
std::optional<std::map<std::string, std::string>> formOf(const Request& request) {
  std::string_view type = request.headers.get("Content-Type");
  if (!http::equalIgnoringCase(type.substr(0, type.find_first_of("; ")), "application/x-www-form-urlencoded"))
    return std::nullopt;
  auto pairs = http::parseForm(request.body);
  if (!pairs)
    return std::nullopt;
  std::map<std::string, std::string> form;
  for (auto& [name, value] : *pairs)
    if (!form.emplace(name, value).second)
      return std::nullopt;
  return form;
}

/// RFC 6749 section 2.3.1: credentials in the header instead of the body.
void takeBasic(const Request& request, std::map<std::string, std::string>& form) {
  std::string_view header = request.headers.get("Authorization");
  if (!header.starts_with("Basic "))
    return;
  auto decoded = base64Decode(header.substr(6));
  std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos)
    return;
  auto pair = http::parseForm(decoded->substr(0, colon) + "=" + decoded->substr(colon + 1));
  if (pair && !pair->empty()) {
    form["client_id"] = pair->front().first;
    form["client_secret"] = pair->front().second;
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : " ") + word;
  return out;
}

bool has(const std::vector<std::string>& scopes, const std::string& scope) {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

Response googleFailure(int status, const char* error, const std::string& description) {
  Response response = Response::json(status, {{"error", error}, {"error_description", description}});
  response.header("Cache-Control", "no-store");
  return response;
}

const std::string kGoogleEmail = "https://www.googleapis.com/auth/userinfo.email";

} // namespace

std::string idToken(Services& services, const json& claims) {
  return base64UrlEncode(R"({"alg":"RS256","kid":"sandbox","typ":"JWT"})") + "." + base64UrlEncode(claims.dump()) +
         "." + services.random.token(256);
}

Response GoogleTokens::token(const Request& request) {
  if (request.method != "POST")
    return googleFailure(405, "invalid_request", "POST is required");
  auto form = formOf(request);
  if (!form)
    return googleFailure(400, "invalid_request", "The body must be a form whose parameters occur once.");
  takeBasic(request, *form);
  auto get = [&](const char* name) { return form->contains(name) ? form->at(name) : std::string(); };
  std::string grant = get("grant_type");
  if (grant.empty())
    return googleFailure(400, "invalid_request", "Missing required parameter: grant_type");
  if (grant != "authorization_code" && grant != "refresh_token")
    return googleFailure(400, "unsupported_grant_type", "Invalid grant_type: " + grant);
  if (get("client_id").empty())
    return googleFailure(400, "invalid_request", "Could not determine client ID from request.");
  auto client = s_.grants.client(Kind::google, get("client_id"));
  if (!client)
    return googleFailure(401, "invalid_client", "The OAuth client was not found.");
  if (get("client_secret").empty())
    return googleFailure(400, "invalid_request", "client_secret is missing.");
  if (!constantTimeEqual(get("client_secret"), client->secret))
    return googleFailure(401, "invalid_client", "Unauthorized");

  if (grant == "refresh_token") {
    if (get("refresh_token").empty())
      return googleFailure(400, "invalid_request", "Missing required parameter: refresh_token");
    auto held = s_.grants.useRefresh(Kind::google, get("refresh_token"), client->id);
    if (!held)
      return googleFailure(400, "invalid_grant", "Token has been expired or revoked.");
    return reply(held->email, client->id, held->scopes, false, {});
  }
  for (const char* needed : {"code", "redirect_uri"})
    if (get(needed).empty())
      return googleFailure(400, "invalid_request", std::string("Missing required parameter: ") + needed);
  Code code;
  auto verifier = form->contains("code_verifier") ? std::optional(get("code_verifier")) : std::nullopt;
  switch (s_.grants.redeem(Kind::google, get("code"), client->id, get("redirect_uri"), verifier, code)) {
  case Grants::Redeem::ok:
    return reply(code.email, client->id, code.scopes, code.refresh, code.asked.nonce);
  case Grants::Redeem::unknown:
    return googleFailure(400, "invalid_grant", "Malformed auth code.");
  case Grants::Redeem::redirectUri:
    return googleFailure(400, "redirect_uri_mismatch", "Bad Request");
  case Grants::Redeem::verifierMissing:
    return googleFailure(400, "invalid_grant", "Missing code verifier.");
  case Grants::Redeem::verifierWrong:
    return googleFailure(400, "invalid_grant", "Invalid code verifier.");
  case Grants::Redeem::used:
  case Grants::Redeem::expired:
  case Grants::Redeem::otherClient:
    break;
  }
  return googleFailure(400, "invalid_grant", "Bad Request");
}

Response GoogleTokens::reply(const std::string& email, const std::string& client,
                             const std::vector<std::string>& scopes, bool refresh, const std::string& nonce) {
  json body{{"access_token", s_.grants.issueAccess(Kind::google, email, client, scopes)},
            {"expires_in", s_.settings.accessTokenSeconds.load()},
            {"scope", joined(scopes)},
            {"token_type", "Bearer"}};
  if (refresh)
    body["refresh_token"] = s_.grants.issueRefresh(Kind::google, email, client, scopes);
  if (has(scopes, "openid")) {
    auto account = s_.accounts.findOrMake(Kind::google, email);
    TimeMs now = s_.clock.now() / 1000;
    json claims{{"iss", "https://accounts.google.com"},
                {"azp", client},
                {"aud", client},
                {"sub", account->id},
                {"iat", now},
                {"exp", now + 3600}};
    if (has(scopes, kGoogleEmail)) {
      claims["email"] = email;
      claims["email_verified"] = true;
    }
    if (!nonce.empty())
      claims["nonce"] = nonce;
    body["id_token"] = idToken(s_, claims);
  }
  Response response = Response::json(200, body);
  response.header("Cache-Control", "no-store");
  return response;
}

Response GoogleTokens::revoke(const Request& request) {
  if (request.method != "POST")
    return googleFailure(405, "invalid_request", "POST is required");
  std::string token = request.queryValue("token").value_or("");
  if (auto form = formOf(request); form && form->contains("token"))
    token = form->at("token");
  if (token.empty())
    return googleFailure(400, "invalid_request", "Missing required parameter: token");
  if (!s_.grants.revokeByToken(token))
    return googleFailure(400, "invalid_token", "Token expired or revoked");
  return Response::json(200, json::object());
}

Response GoogleTokens::userInfo(const Request& request) {
  std::string_view header = request.headers.get("Authorization");
  auto access =
      header.starts_with("Bearer ") ? s_.grants.access(Kind::google, std::string(header.substr(7))) : std::nullopt;
  if (!access)
    return googleFailure(401, "invalid_request", "Invalid Credentials");
  if (!access->has("openid") && !access->has(kGoogleEmail))
    return googleFailure(403, "insufficient_scope", "Request had insufficient authentication scopes.");
  json body{{"sub", access->account->id}};
  if (access->has(kGoogleEmail)) {
    body["email"] = access->account->email;
    body["email_verified"] = true;
  }
  return Response::json(200, body);
}

Response OutlookTokens::fail(int status, const char* error, int code, const std::string& description) {
  std::string trace = s_.random.uuid(), correlation = s_.random.uuid();
  std::string stamp = formatRfc3339(s_.clock.now() / 1000 * 1000);
  stamp[10] = ' ';
  json body{{"error", error},
            {"error_description", "AADSTS" + std::to_string(code) + ": " + description + " Trace ID: " + trace +
                                      " Correlation ID: " + correlation + " Timestamp: " + stamp},
            {"error_codes", {code}},
            {"timestamp", stamp},
            {"trace_id", trace},
            {"correlation_id", correlation}};
  Response response = Response::json(status, body);
  response.header("Cache-Control", "no-store");
  return response;
}

Response OutlookTokens::token(const Request& request) {
  auto form = formOf(request);
  if (request.method != "POST" || !form)
    return fail(400, "invalid_request", 900144, "The request must be a POST of a form whose parameters occur once.");
  auto get = [&](const char* name) { return form->contains(name) ? form->at(name) : std::string(); };
  takeBasic(request, *form);
  for (const char* needed : {"client_id", "grant_type"})
    if (get(needed).empty())
      return fail(400, "invalid_request", 900144,
                  std::string("The request body must contain the following parameter: '") + needed + "'.");
  std::string grant = get("grant_type");
  if (grant != "authorization_code" && grant != "refresh_token")
    return fail(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '" + grant + "'.");
  auto client = s_.grants.client(Kind::outlook, get("client_id"));
  if (!client)
    return fail(400, "unauthorized_client", 700016,
                "Application with identifier '" + get("client_id") + "' was not found in the directory.");
  if (get("client_secret").empty())
    return fail(401, "invalid_client", 7000218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.");
  if (!constantTimeEqual(get("client_secret"), client->secret))
    return fail(401, "invalid_client", 7000215, "Invalid client secret provided.");

  std::vector<std::string> granted;
  std::string email, nonce, oldRefresh;
  if (grant == "refresh_token") {
    oldRefresh = get("refresh_token");
    if (oldRefresh.empty())
      return fail(400, "invalid_request", 900144,
                  "The request body must contain the following parameter: 'refresh_token'.");
    auto held = s_.grants.useRefresh(Kind::outlook, oldRefresh, client->id);
    if (!held)
      return fail(400, "invalid_grant", 700082,
                  "The refresh token has expired due to inactivity, was revoked, or was not issued to this client.");
    granted = held->scopes;
    email = held->email;
  } else {
    for (const char* needed : {"code", "redirect_uri"})
      if (get(needed).empty())
        return fail(400, "invalid_request", 900144,
                    std::string("The request body must contain the following parameter: '") + needed + "'.");
    Code code;
    auto verifier = form->contains("code_verifier") ? std::optional(get("code_verifier")) : std::nullopt;
    switch (s_.grants.redeem(Kind::outlook, get("code"), client->id, get("redirect_uri"), verifier, code)) {
    case Grants::Redeem::ok:
      break;
    case Grants::Redeem::used:
      return fail(400, "invalid_grant", 54005,
                  "OAuth2 Authorization code was already redeemed, please retry with a new valid code.");
    case Grants::Redeem::expired:
      return fail(400, "invalid_grant", 70008, "The provided authorization code has expired.");
    case Grants::Redeem::redirectUri:
      return fail(
          400, "invalid_grant", 500112,
          "The reply address does not match the reply address provided when requesting the authorization code.");
    case Grants::Redeem::verifierMissing:
    case Grants::Redeem::verifierWrong:
      return fail(400, "invalid_grant", 501481,
                  "The Code_Verifier does not match the code_challenge supplied in the authorization request.");
    case Grants::Redeem::unknown:
    case Grants::Redeem::otherClient:
      return fail(400, "invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.");
    }
    granted = code.scopes;
    email = code.email;
    nonce = code.asked.nonce;
  }
  std::vector<std::string> scopes = granted;
  if (!get("scope").empty()) { // a part of what was granted may be asked for
    scopes.clear();
    std::istringstream in(get("scope"));
    for (std::string scope; in >> scope;) {
      if (scope.starts_with("https://graph.microsoft.com/"))
        scope = scope.substr(28);
      if (!has(granted, scope))
        return fail(400, "invalid_grant", 65001,
                    "The user or administrator has not consented to use the application with scope '" + scope + "'.");
      scopes.push_back(scope);
    }
  }
  Response response = reply(email, client->id, granted, scopes, nonce);
  if (!oldRefresh.empty() && s_.settings.strictRotation)
    s_.grants.forgetRefresh(oldRefresh);
  return response;
}

Response OutlookTokens::reply(const std::string& email, const std::string& client,
                              const std::vector<std::string>& granted, const std::vector<std::string>& scopes,
                              const std::string& nonce) {
  std::vector<std::string> told;
  for (const auto& scope : scopes)
    if (scope != "offline_access")
      told.push_back(scope);
  json body{{"token_type", "Bearer"},
            {"scope", joined(told)},
            {"expires_in", s_.settings.accessTokenSeconds.load()},
            {"ext_expires_in", s_.settings.accessTokenSeconds.load()},
            {"access_token", s_.grants.issueAccess(Kind::outlook, email, client, scopes)}};
  if (has(granted, "offline_access"))
    body["refresh_token"] = s_.grants.issueRefresh(Kind::outlook, email, client, granted);
  if (has(scopes, "openid")) {
    auto account = s_.accounts.findOrMake(Kind::outlook, email);
    TimeMs now = s_.clock.now() / 1000;
    json claims{{"iss", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"},
                {"aud", client},
                {"sub", account->id},
                {"oid", account->id},
                {"iat", now},
                {"exp", now + 3600},
                {"ver", "2.0"},
                {"tid", "9188040d-6c67-4c5b-b112-36a304b66dad"}};
    if (has(scopes, "email"))
      claims["email"] = email;
    if (has(scopes, "profile")) {
      claims["name"] = account->name;
      claims["preferred_username"] = email;
    }
    if (!nonce.empty())
      claims["nonce"] = nonce;
    body["id_token"] = idToken(s_, claims);
  }
  Response response = Response::json(200, body);
  response.header("Cache-Control", "no-store");
  return response;
}

} // namespace calbridge::sandbox
