#include "services.hpp"

#include <sstream>

namespace calbridge::sandbox {

namespace {

const std::set<std::string> kGoogleScopes = [] {
  std::set<std::string> scopes{"openid", "email", "profile"};
  for (std::string name :
       {"userinfo.email", "userinfo.profile", "calendar", "calendar.app.created", "calendar.calendarlist",
        "calendar.calendarlist.readonly", "calendar.calendars", "calendar.calendars.readonly", "calendar.events",
        "calendar.events.freebusy", "calendar.events.owned", "calendar.events.owned.readonly",
        "calendar.events.public.readonly", "calendar.events.readonly", "calendar.freebusy", "calendar.readonly"})
    scopes.insert("https://www.googleapis.com/auth/" + name);
  return scopes;
}();
const std::set<std::string> kGraphScopes{"openid",
                                         "email",
                                         "profile",
                                         "offline_access",
                                         "User.Read",
                                         "Calendars.Read",
                                         "Calendars.ReadBasic",
                                         "Calendars.ReadWrite",
                                         "MailboxSettings.Read"};

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

Response errorPage(int status, const std::string& title, const std::string& text) {
  return Response::html(status, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>" + escapeHtml(title) +
                                    "</title><body><h1>" + escapeHtml(title) + "</h1><p>" + escapeHtml(text) +
                                    "</p></body></html>");
}

std::string withParameters(const std::string& uri, const http::Parameters& parameters) {
  std::string out = uri;
  char separator = uri.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [name, value] : parameters) {
    out += separator + http::percentEncode(name) + "=" + http::percentEncode(value);
    separator = '&';
  }
  return out;
}

bool isChallenge(const std::string& text) {
  if (text.size() < 43 || text.size() > 128)
    return false;
  return text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") ==
         std::string::npos;
}

} // namespace

Response Consent::authorize(Kind kind, const Request& request) {
  bool google = kind == Kind::google;
  auto parameters = request.queryParameters();
  std::map<std::string, std::string> given;
  for (auto& [name, value] : parameters)
    if (!given.emplace(name, value).second)
      return errorPage(400, "Error 400: invalid_request", "OAuth 2 parameters can only have a single value: " + name);
  auto get = [&](const char* name) { return given.contains(name) ? given[name] : std::string(); };

  Authorization asked;
  asked.kind = kind;
  asked.client = get("client_id");
  auto client = s_.grants.client(kind, asked.client);
  if (!client)
    return google ? errorPage(401, "Error 401: invalid_client", "The OAuth client was not found.")
                  : errorPage(400, "AADSTS700016",
                              "Application with identifier '" + asked.client + "' was not found in the directory.");
  asked.redirectUri = get("redirect_uri");
  if (!client->redirectUris.contains(asked.redirectUri))
    return google
               ? errorPage(400, "Error 400: redirect_uri_mismatch",
                           "The redirect URI " + asked.redirectUri + " is not registered for this client.")
               : errorPage(
                     400, "AADSTS50011",
                     "The redirect URI '" + asked.redirectUri +
                         "' specified in the request does not match the redirect URIs configured for the application.");
  asked.hasState = given.contains("state");
  asked.state = get("state");
  asked.nonce = get("nonce");
  asked.loginHint = get("login_hint");

  auto wrong = [&](const std::string& error, const std::string& text) {
    return google ? errorPage(400, "Error 400: " + error, text) : refuse(asked, error, text);
  };
  if (get("response_type") != "code")
    return wrong(get("response_type").empty() ? "invalid_request" : "unsupported_response_type",
                 "response_type must be code");
  if (get("scope").empty())
    return wrong("invalid_request", "Missing required parameter: scope");
  for (std::string scope : words(get("scope"))) {
    if (!google && scope.starts_with("https://graph.microsoft.com/"))
      scope = scope.substr(28);
    if (google && (scope == "email" || scope == "profile"))
      scope = "https://www.googleapis.com/auth/userinfo." + scope; // what the token endpoint names them
    if (!(google ? kGoogleScopes : kGraphScopes).contains(scope))
      return wrong("invalid_scope", "Some requested scopes were invalid: " + scope);
    if (std::find(asked.scopes.begin(), asked.scopes.end(), scope) == asked.scopes.end())
      asked.scopes.push_back(scope);
  }
  asked.challenge = get("code_challenge");
  std::string method = given.contains("code_challenge_method") ? get("code_challenge_method") : "plain";
  if (!asked.challenge.empty() && !isChallenge(asked.challenge))
    return wrong("invalid_request", "Invalid code_challenge");
  if (method != "S256" && method != "plain")
    return wrong("invalid_request", "code_challenge_method must be S256 or plain");
  asked.plainChallenge = method == "plain";
  if (google) {
    std::string access = given.contains("access_type") ? get("access_type") : "online";
    if (access != "online" && access != "offline")
      return wrong("invalid_request", "access_type must be online or offline");
    asked.offline = access == "offline";
  } else {
    asked.offline = std::find(asked.scopes.begin(), asked.scopes.end(), "offline_access") != asked.scopes.end();
    if (given.contains("response_mode") && get("response_mode") != "query")
      return wrong("invalid_request", "this sandbox knows response_mode=query only");
  }
  for (const std::string& prompt : words(get("prompt"))) {
    if (prompt == "none")
      return refuse(asked, google ? "interaction_required" : "login_required", "A person has to act.");
    if (prompt != "consent" && prompt != "select_account" && prompt != "login")
      return wrong("invalid_request", "Invalid parameter value for prompt: " + prompt);
    asked.promptConsent = asked.promptConsent || prompt == "consent";
  }

  if (auto decision = s_.grants.takeDecision(kind)) {
    if (!decision->error.empty())
      return refuse(asked, decision->error, decision->description);
    std::string email = !decision->account.empty() ? decision->account : asked.loginHint;
    if (email.empty())
      return errorPage(400, "No account", "the decision given through /control/authorize names no account");
    return answer(asked, email, decision->scopes.value_or(asked.scopes));
  }
  return page(asked);
}

Response Consent::refuse(const Authorization& asked, const std::string& error, const std::string& description) {
  http::Parameters parameters{{"error", error}};
  if (!description.empty())
    parameters.emplace_back("error_description", description);
  if (asked.kind == Kind::outlook && error == "access_denied")
    parameters.emplace_back("error_subcode", "cancel");
  if (asked.hasState)
    parameters.emplace_back("state", asked.state);
  return Response::redirect(withParameters(asked.redirectUri, parameters));
}

Response Consent::answer(const Authorization& asked, const std::string& email, const std::vector<std::string>& scopes) {
  std::string code = s_.grants.allow(asked, email, scopes);
  http::Parameters parameters;
  if (asked.hasState)
    parameters.emplace_back("state", asked.state);
  parameters.emplace_back("code", code);
  if (asked.kind == Kind::google) {
    std::string list;
    for (const auto& scope : scopes)
      list += (list.empty() ? "" : " ") + scope;
    parameters.emplace_back("scope", list);
    parameters.emplace_back("authuser", "0");
    parameters.emplace_back("prompt", "consent");
  } else {
    parameters.emplace_back("session_state", s_.random.uuid());
  }
  return Response::redirect(withParameters(asked.redirectUri, parameters));
}

Response Consent::decide(const Request& request) {
  auto form = http::parseForm(request.body);
  if (!form)
    return errorPage(400, "Malformed form", "The form could not be read.");
  auto asked = s_.grants.unpark(std::string(http::find(*form, "handle").value_or("")));
  if (!asked)
    return errorPage(400, "This page has been used", "Go back to the application and start again.");
  if (http::find(*form, "decision") != "allow")
    return asked->kind == Kind::google
               ? refuse(*asked, "access_denied", {})
               : refuse(*asked, "access_denied", "AADSTS65004: User declined to consent to access the app.");
  std::string email(http::find(*form, "other").value_or(""));
  if (email.empty())
    email = http::find(*form, "account").value_or("");
  if (email.find('@') == std::string::npos || email.size() > 254)
    return errorPage(400, "No such account", "Choose an account, or type an e-mail address.");
  std::vector<std::string> scopes;
  for (const auto& scope : asked->scopes) { // those of identity cannot be unticked
    bool ticked = scope.find("/calendar") == std::string::npos;
    for (const auto& [name, value] : *form)
      ticked = ticked || (name == "scope" && value == scope);
    if (ticked || asked->kind == Kind::outlook)
      scopes.push_back(scope);
  }
  return answer(*asked, email, scopes);
}

Response Consent::page(const Authorization& asked) {
  bool google = asked.kind == Kind::google;
  std::string handle = s_.grants.park(asked);
  std::string name = google ? "Google (sandbox)" : "Microsoft (sandbox)";
  std::string html =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>Sign in - " +
      name +
      "</title><style>body{font:16px/1.5 system-ui,sans-serif;"
      "background:#f3f4f6;margin:0}main{max-width:26rem;margin:8vh "
      "auto;background:#fff;padding:2rem;border-radius:12px;"
      "border-top:6px solid " +
      std::string(google ? "#4285f4" : "#0f6cbd") +
      "}label{display:block;padding:.35rem 0}"
      "input[type=email]{width:100%;padding:.5rem;box-sizing:border-box}button{font:inherit;padding:.5rem 1.5rem;"
      "margin:1rem .5rem 0 0;border-radius:6px;border:1px solid #999}button[value=allow]{background:#1a7f37;color:#fff}"
      ".note{color:#666;font-size:.85rem}</style></head><body><main><h1>" +
      name + "</h1><p>" + escapeHtml(asked.client) +
      " wants to use your calendar.</p><form method=\"post\" action=\"/consent\"><input type=\"hidden\" "
      "name=\"handle\" "
      "value=\"" +
      handle + "\"><fieldset><legend>Choose an account</legend>";
  std::vector<std::string> offered;
  if (!asked.loginHint.empty())
    offered.push_back(asked.loginHint);
  for (const auto& email : s_.demoAccounts)
    if ((email.find(google ? "gmail" : "outlook") != std::string::npos) && email != asked.loginHint)
      offered.push_back(email);
  for (const auto& account : s_.accounts.all(asked.kind))
    if (std::find(offered.begin(), offered.end(), account->email) == offered.end())
      offered.push_back(account->email);
  bool first = true;
  for (const auto& email : offered) {
    html += "<label><input type=\"radio\" name=\"account\" value=\"" + escapeHtml(email) + "\"" +
            (first ? " checked" : "") + "> " + escapeHtml(email) + "</label>";
    first = false;
  }
  html +=
      "<label>Another account <input type=\"email\" name=\"other\" autocomplete=\"off\"></label></fieldset><fieldset>"
      "<legend>It asks for</legend>";
  for (const auto& scope : asked.scopes) {
    bool optional = google && scope.find("/calendar") != std::string::npos;
    html += optional ? "<label><input type=\"checkbox\" name=\"scope\" value=\"" + escapeHtml(scope) + "\" checked> " +
                           escapeHtml(scope) + "</label>"
                     : "<div>" + escapeHtml(scope) + "</div>";
  }
  html += "</fieldset><button name=\"decision\" value=\"allow\">Allow</button><button name=\"decision\" "
          "value=\"deny\">Deny</button>"
          "</form><p class=\"note\">A stand-in for the real service. No password is asked, and no real account is "
          "touched.</p></main></body></html>";
  Response response = Response::html(200, std::move(html));
  response.header("Cache-Control", "no-store").header("Referrer-Policy", "no-referrer");
  return response;
}

} // namespace calbridge::sandbox
