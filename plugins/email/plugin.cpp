#include "calbridge/plugin.hpp"

#include "calbridge/wall_clock.hpp"
#include "icalendar/mapping.hpp"
#include "icalendar/timezone.hpp"
#include "invitation.hpp"
#include "message.hpp"
#include "wording.hpp"

namespace calbridge::email {
namespace {

using sdk::MailProblem;
using sdk::Problem;
using sdk::PushRequest;
using sdk::Status;

/// What only the operator can cure is tried again seldom: some servers lock an account after failed log-ins.
constexpr std::chrono::minutes kUntilRepaired{5};

/// What the mail server's no means for the entry.
[[noreturn]] void refuse(const MailProblem& problem) {
  if (problem.kind() != "refused") {
    throw problem;
  }
  const bool forGood = problem.status() == Status::permanent;
  if (problem.scope() == "recipient") {
    // Greylisting and full mailboxes are about this person: nobody else has to wait for them.
    throw Problem(forGood ? Status::permanent : Status::rateLimited, problem.what(),
                  forGood ? "recipient_refused" : "recipient_deferred");
  }
  if (problem.scope() == "message") {
    throw Problem(problem.status(), problem.what(), forGood ? "message_refused" : "message_deferred");
  }
  // A wrong password or sender is not the entry's fault: it waits until that is repaired.
  if (forGood) {
    throw Problem(Status::transient, problem.what(), "server_refused", kUntilRepaired);
  }
  throw Problem(Status::transient, problem.what(), "server_busy");
}

} // namespace

/// Sends each entry to its person as an iTIP invitation. Keeps nothing but the text of the time zones that it has read.
class EmailProvider {
 public:
  static constexpr std::string_view kManifest = R"json({
    "id": "email",
    "name": "E-mail invitations",
    "version": "1.0.0",
    "description": "Calendar entries by e-mail (iTIP) for people who connect no calendar",
    "min_host_minor": 0,
    "requires": ["calbridge.call/1", "calbridge.clock/1", "calbridge.smtp/1"],
    "optional": ["calbridge.log/1"],
    "capabilities": ["invitations", "delete"],
    "concurrent": true,
    "mailbox_concurrency": 1,
    "quota": {"per_minute": 120, "per_account_per_minute": 30},
    "egress": [],
    "settings_schema": {
      "type": "object",
      "required": ["from"],
      "additionalProperties": false,
      "properties": {
        "from": {"type": "string", "maxLength": 254, "pattern": "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$",
                 "description": "Address that the messages come from; answers and bounces go there."},
        "from_name": {"type": "string", "minLength": 1, "maxLength": 80, "description": "Name beside it."},
        "reply_to": {"type": "string", "maxLength": 254, "pattern": "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$",
                     "description": "Where answers that people write go instead."},
        "participation": {"type": "string", "enum": ["needs-action", "accepted"],
                          "description": "What the invitation says of the person so far."}
      }
    }
  })json";

  explicit EmailProvider(const sdk::Settings& settings)
      : organizer_{settings.text("from"), settings.text("from_name"),
                   settings.text("participation") == "accepted" ? "ACCEPTED" : "NEEDS-ACTION"},
        replyTo_(settings.text("reply_to")), domain_(organizer_.address.substr(organizer_.address.rfind('@') + 1)) {}

  sdk::PushReply push(sdk::Call& call, const PushRequest& request) {
    if (request.recipient.email.empty()) {
      throw Problem(Status::invalidRequest, "an invitation needs a recipient");
    }
    const bool upsert = request.operation == PushRequest::Operation::upsert;
    const std::string timezone = timezoneOf(request);
    sdk::PushReply reply;
    if (upsert) {
      reply.providerEventId = ics::eventUid(request.uid);
      reply.etag = fingerprint(request, organizer_, timezone);
      if (reply.etag == request.etag) {
        return reply; // the person has it so already
      }
    }
    const std::int64_t now = call.clock().nowMs();
    if (isOver(request, now)) { // nobody wants a message about what is over
      reply.etag = request.etag;
      return reply;
    }
    const std::string message = write(messageOf(request, timezone, now));
    try {
      call.smtp().send(organizer_.address, request.recipient.email, message);
    } catch (const MailProblem& problem) {
      refuse(problem);
    }
    return reply;
  }

 private:
  std::string timezoneOf(const PushRequest& request) {
    const std::string& zone = request.entry.timezone;
    const bool wanted = request.hasEntry && !request.entry.allDay && !ics::isUtc(zone);
    return wanted ? zones_.text(zone) : std::string();
  }

  static bool isOver(const PushRequest& request, std::int64_t now) {
    const auto end = request.hasEntry ? sdk::epochMs(request.entry.endUtc) : std::nullopt;
    return end && *end <= now;
  }

  Message messageOf(const PushRequest& request, const std::string& timezone, std::int64_t now) const {
    const bool upsert = request.operation == PushRequest::Operation::upsert;
    const Occasion occasion = upsert              ? request.etag.empty() ? Occasion::invited : Occasion::changed
                              : request.withdrawn ? Occasion::withdrawn
                                                  : Occasion::cancelled;
    Message message;
    message.from = {organizer_.name, organizer_.address};
    message.to = {request.recipient.name, request.recipient.email};
    message.replyTo = replyTo_;
    message.subject = subjectOf(request, occasion);
    // The same for every try, so that mail systems can drop the second of two.
    message.id =
        request.idempotencyKey + "." + std::to_string(request.sequence) + (upsert ? "" : ".cancel") + "@" + domain_;
    message.dateMs = now;
    message.unsubscribeUrl = request.recipient.unsubscribeUrl;
    message.text = textOf(request, occasion, organizer_.name);
    message.calendar = calendarOf(request, organizer_, timezone);
    message.method = upsert ? "REQUEST" : "CANCEL";
    return message;
  }

  const Organizer organizer_;
  const std::string replyTo_;
  const std::string domain_;
  ics::Zones zones_;
};

} // namespace calbridge::email

CALBRIDGE_PLUGIN(calbridge::email::EmailProvider)
