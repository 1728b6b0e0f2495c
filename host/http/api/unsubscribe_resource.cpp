#include "connections/audit_log.hpp"
#include "connections/connections.hpp"
#include "http/api/answer_form.hpp"
#include "http/api/resources.hpp"
#include "http/web/assets.hpp"
#include "http/web/page_headers.hpp"
#include "store/store.hpp"

namespace calbridge::http {
namespace {

using kainjow::mustache::data;

/// A page for somebody who came from a message and may not be logged in, nor ever have been.
Response page(const Assets& assets, int status, const char* title, const std::string& text, bool asks) {
  data content;
  content.set("title", title);
  content.set("text", text);
  content.set("asks", asks);
  data layout;
  layout.set("title", title);
  layout.set("icon", assets.path("icon.svg"));
  layout.set("style", assets.path("site.css"));
  layout.set("content", assets.render("unsubscribe.html", content));
  auto answer = personalPageHeaders(Response::html(status, assets.render("layout.html", layout)));
  answer.header("X-Robots-Tag", "noindex");
  return answer;
}

/// A person sees a page; a program, such as a mail service that unsubscribes for one, gets the problem that it gets
/// everywhere.
Response unknownLink(const Assets& assets, const Request& request) {
  constexpr const char* kText =
      "It may have been cut on its way. The newest message has one that works, and your settings do, too.";
  auto answer = prefersPage(request) ? page(assets, 404, "This link is not valid", kText, false)
                                     : problem(404, "not_found", std::string("This link is not valid. ").append(kText));
  return answer.header("Vary", "Accept");
}

Response done(const Assets& assets) {
  return page(assets, 200, "You get no more of these messages",
              "Your appointments stay as they are. You can have the messages back on the page of your calendars.",
              false);
}

/// Only asks: programs that look at the links of a message must not change anything (RFC 8058 section 1).
Response getUnsubscribe(Services& services, const Assets& assets, Exchange& exchange) {
  const auto link = services.connections.invitations().find(exchange.parameter("secret"));
  if (!link)
    return unknownLink(assets, exchange.request);
  if (link->off)
    return done(assets);
  return page(assets, 200, "No more e-mail about your appointments?",
              "You will then get no more messages when appointments of yours are made, changed or cancelled. Entries "
              "that your mail program has put into your calendar stay there, and no longer change.",
              true);
}

/// With one click (RFC 8058): no log-in, no cookie, no further question. The body does not matter, nor does the page
/// that it is sent from.
Response postUnsubscribe(Services& services, const Assets& assets, Exchange& exchange) {
  auto& invitations = services.connections.invitations();
  const auto link = invitations.find(exchange.parameter("secret"));
  const auto person = link ? services.store.person(link->personId) : std::nullopt;
  if (!person)
    return unknownLink(assets, exchange.request);
  if (!link->off) {
    // No cancellations: whoever wants no more messages must not get one for every appointment now.
    invitations.turnOff(*person, link->provider, connections::Entries::keep);
    connections::AuditLog(services.store, services.clock, services.logger)
        .note("invitations.off", connections::AuditLog::kUnknown, person->id,
              {{"provider", link->provider}, {"entries", "keep"}, {"by", "link"}});
  }
  return done(assets);
}

} // namespace

void addUnsubscribe(RouteTable& table, Services& services) {
  auto assets = std::make_shared<const Assets>();
  const std::string pattern = "/api/calendar/unsubscribe/{secret}/";
  table.add("GET", pattern, Access::link,
            [&services, assets](Exchange& e) { return getUnsubscribe(services, *assets, e); });
  table.add("POST", pattern, Access::link,
            [&services, assets](Exchange& e) { return postUnsubscribe(services, *assets, e); });
}

} // namespace calbridge::http
