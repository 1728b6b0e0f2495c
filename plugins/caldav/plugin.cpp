#include "calbridge/plugin.hpp"

#include "discovery.hpp"
#include "event_sync.hpp"
#include "url.hpp"

namespace calbridge::caldav {

/// CalDAV (RFC 4791): iCloud, Fastmail, Nextcloud and every other server. See README.md.
class CaldavProvider {
 public:
  static constexpr std::string_view kManifest = R"json({
    "id": "caldav",
    "name": "CalDAV",
    "version": "1.0.0",
    "description": "Keeps entries in a calendar on any CalDAV server: iCloud, Fastmail, Nextcloud, your own",
    "min_host_minor": 1,
    "requires": ["calbridge.call/1", "calbridge.http/1", "calbridge.clock/1", "calbridge.random/1", "calbridge.kv/1"],
    "optional": [],
    "capabilities": ["credentials", "delete", "list-calendars"],
    "concurrent": true,
    "mailbox_concurrency": 2,
    "egress": [],
    "egress_credentials": ["server"],
    "credentials_schema": {
      "type": "object",
      "required": ["server", "username", "password"],
      "additionalProperties": false,
      "properties": {
        "server": {"type": "string", "title": "Server", "format": "uri", "minLength": 3, "maxLength": 500,
          "description": "Its name, such as caldav.example.com, or the address that its help pages name"},
        "username": {"type": "string", "title": "User name", "minLength": 1, "maxLength": 250,
          "description": "Often your e-mail address"},
        "password": {"type": "string", "title": "Password", "minLength": 1, "maxLength": 500, "writeOnly": true,
          "description": "Where the service can make app-specific passwords, make one for this: it can be withdrawn alone"}
      },
      "presets": [
        {"id": "icloud", "name": "Apple iCloud", "beside_feed": true, "values": {"server": "https://caldav.icloud.com"},
          "hints": {"username": "Your Apple Account's e-mail address",
            "password": "An app-specific password, made at account.apple.com under Sign-In and Security; your usual password does not work"}},
        {"id": "fastmail", "name": "Fastmail", "values": {"server": "https://caldav.fastmail.com"},
          "hints": {"password": "An app password with access to calendars, made under Settings, Privacy and Security"}},
        {"id": "nextcloud", "name": "Nextcloud", "values": {},
          "hints": {"server": "Such as https://cloud.example.com",
            "password": "An app password, made under Personal settings, Security"}}
      ]
    },
    "settings_schema": {"type": "object", "properties": {}, "additionalProperties": false}
  })json";

  sdk::Authentication authenticate(sdk::Call& call, const sdk::AuthenticateRequest& request) {
    const Account account{typedUrl(request.text("server")), request.text("username"), request.text("password")};
    if (account.server.empty()) {
      throw sdk::Problem(sdk::Status::notFound,
                         "\"" + request.text("server") +
                             "\" is no server's name or address; caldav.example.com would be one",
                         "invalid_server");
    }
    DavClient client(call, account, counts_);
    try {
      discover(client);
    } catch (const sdk::HttpProblem& problem) {
      throw unreachable(problem, client);
    }
    const bool whole = account.username.find('@') != std::string::npos;
    return {{{"server", account.server}, {"username", account.username}, {"password", account.password}},
            {account.username + " at " + originOf(account.server),
             whole ? account.username : account.username + " at " + hostOf(account.server)}};
  }

  sdk::CalendarList list_calendars(sdk::Call& call, const sdk::ListCalendarsRequest& request) {
    DavClient client(call, readAccount(request.secret), counts_);
    return {discover(client).calendars};
  }

  sdk::PushReply push(sdk::Call& call, const sdk::PushRequest& request) {
    DavClient client(call, readAccount(request.secret), counts_);
    return EventSync(client, zones_, request).push();
  }

 private:
  /// No answer at all, in the words of somebody who typed an address.
  static sdk::Problem unreachable(const sdk::HttpProblem& problem, const DavClient& client) {
    const std::string asked = ". Asked were: " + client.trace();
    if (problem.kind() == "refused_by_egress") {
      return {sdk::Status::permanent,
              std::string(problem.what()) + ". If it is a server of yours, the operator of this site can allow it" +
                  asked,
              "address_refused"};
    }
    if (problem.kind() == "tls") {
      return {sdk::Status::permanent, "the server cannot be trusted: " + std::string(problem.what()) + asked,
              "tls_failed"};
    }
    if (problem.kind() == "cancelled") {
      return problem;
    }
    return {sdk::Status::transient, "the server cannot be reached: " + std::string(problem.what()) + asked,
            "server_unreachable"};
  }

  NonceCounts counts_;
  ics::Zones zones_;
};

} // namespace calbridge::caldav

CALBRIDGE_PLUGIN(calbridge::caldav::CaldavProvider)
