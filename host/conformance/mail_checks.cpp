#include "conformance/checks.hpp"
#include "conformance/mail_text.hpp"
#include "conformance/rehearsal.hpp"

#include <algorithm>

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

/// Are mails this plugin's business at all?
void needSmtp(Trial& trial) {
  trial.need("invitations");
  const plugins::Manifest& manifest = trial.manifest();
  const auto in = [](const std::vector<std::string>& services) {
    return std::find(services.begin(), services.end(), CALBRIDGE_SMTP_SERVICE) != services.end();
  };
  if (!in(manifest.requiredServices) && !in(manifest.optionalServices)) {
    throw Skipped{"the manifest does not name the service " CALBRIDGE_SMTP_SERVICE};
  }
}

/// Skipped unless a push sends mail, which the check mail.sent tells.
void needMail(Trial& trial) {
  needSmtp(trial);
  Rehearsal rehearsal(trial);
  rehearsal.call(Operation::push, rehearsal.upsert());
  if (rehearsal.mail.mails().empty()) {
    throw Skipped{"push sends no mail"};
  }
}

/// An entry, a change of it and its removal.
void pushAll(Trial& trial, Rehearsal& rehearsal) {
  trial.step("push of a new entry");
  const Ended made = rehearsal.call(Operation::push, rehearsal.upsert());
  trial.step("push of a change");
  const std::string id = made.text("provider_event_id");
  rehearsal.call(Operation::push, rehearsal.upsert("two", id, made.text("etag")));
  trial.step("delete");
  rehearsal.call(Operation::push, rehearsal.removal(id));
}

void sent(Trial& trial) {
  needSmtp(trial);
  Rehearsal rehearsal(trial);
  trial.step("push of a new entry");
  const Ended made = rehearsal.call(Operation::push, rehearsal.upsert());
  if (!made.ok()) {
    throw Skipped{"the first push does not work: " + made.words()};
  }
  const auto mails = rehearsal.mail.mails();
  trial.expect(mails.size() == 1, "push of a new entry sends " + std::to_string(mails.size()) + " mails");
  for (const HandedOver& mail : mails) {
    trial.expect(readableText(mail.message).find(rehearsal.mark()) != std::string::npos,
                 "the mail does not hold the entry's title");
  }
}

void whole(Trial& trial) {
  needMail(trial);
  Rehearsal rehearsal(trial);
  pushAll(trial, rehearsal);
  json odd = rehearsal.upsert("\"quoted\" \\ back\r\nX-Injected: 1\r\n\r\n.\r\nend");
  std::string description = " \x07 \u00e9\r\n.\r\nend";
  description.insert(0, 3000, 'w');
  odd["entry"]["description"] = description;
  odd["recipient"]["name"] = "O'Brien, \"\u00e9\"\r\nX-Injected: 1";
  trial.step("push of text with line breaks, quotes and long words");
  rehearsal.call(Operation::push, odd);
  for (const HandedOver& mail : rehearsal.mail.mails()) {
    for (const std::string& breach : breachesOf(mail.message)) {
      trial.find(breach);
    }
    trial.expect(headerOf(mail.message, "x-injected").empty(), "text of the entry makes a header field");
  }
}

void recipient(Trial& trial) {
  needMail(trial);
  Rehearsal rehearsal(trial);
  pushAll(trial, rehearsal);
  for (const std::string& envelope : rehearsal.mail.forbidden()) {
    trial.find("it sends a mail with the envelope " + envelope + ", which the host refuses");
  }
  for (const HandedOver& mail : rehearsal.mail.mails()) {
    trial.expect(headerOf(mail.message, "to").find(rehearsal.recipient) != std::string::npos,
                 "a mail to " + rehearsal.recipient + " says To: " + headerOf(mail.message, "to"));
    trial.expect(headerOf(mail.message, "bcc").empty(), "a mail has a field Bcc");
  }
}

void unsubscribe(Trial& trial) {
  needMail(trial);
  Rehearsal rehearsal(trial);
  pushAll(trial, rehearsal);
  const std::string url = rehearsal.upsert().at("recipient").at("unsubscribe_url");
  for (const HandedOver& mail : rehearsal.mail.mails()) {
    trial.expect(readableText(mail.message).find(url) != std::string::npos,
                 "a mail with the subject \"" + headerOf(mail.message, "subject") + "\" lacks the unsubscribe_url");
  }
}

void once(Trial& trial) {
  needMail(trial);
  Rehearsal rehearsal(trial);
  rehearsal.call(Operation::push, rehearsal.upsert());
  json again = rehearsal.upsert();
  again["attempt"] = 2;
  trial.step("the same push again");
  const Ended second = rehearsal.call(Operation::push, again);
  trial.expect(second.ok(), "the same push again ends as " + second.words());
  const auto mails = rehearsal.mail.mails();
  const std::string id = headerOf(mails.front().message, "message-id");
  for (const HandedOver& mail : mails) {
    const std::string other = headerOf(mail.message, "message-id");
    trial.expect(other == id,
                 "the same push again sends a mail with the Message-ID " + other + ", before it was " + id);
  }
}

/// A push of a new entry, the mail server failing.
Ended pushUnder(Trial& trial, const MailFailure& failure, const std::string& what) {
  Rehearsal rehearsal(trial);
  rehearsal.mail.refuse = [&](const Mail&) { return std::optional(failure); };
  trial.step("push while " + what);
  return rehearsal.call(Operation::push, rehearsal.upsert());
}

void refused(Trial& trial) {
  needMail(trial);
  for (const auto& [scope, name] :
       {std::pair{MailFailure::Scope::recipient, "recipient"}, std::pair{MailFailure::Scope::message, "message"}}) {
    for (const int code : {550, 450}) {
      MailFailure failure;
      failure.kind = MailFailure::Kind::refused;
      failure.scope = scope;
      failure.code = code;
      failure.message = "the mail server says " + std::to_string(code);
      const std::string what = std::string("the mail server answers ") + std::to_string(code) + " to the " + name;
      const Ended ended = pushUnder(trial, failure, what);
      const Status status = ended.reply.status;
      const bool later = status == Status::transient || status == Status::rateLimited;
      trial.expect(code == 550 ? status == Status::permanent : later,
                   "push ends as " + ended.words() + " when " + what + "; it should be " +
                       (code == 550 ? "permanent" : "transient or rate_limited"));
    }
  }
}

void unreachable(Trial& trial) {
  needMail(trial);
  const std::pair<MailFailure::Kind, const char*> kinds[] = {
      {MailFailure::Kind::connect, "the mail server cannot be reached"},
      {MailFailure::Kind::tls, "the mail server cannot be trusted"},
      {MailFailure::Kind::timeout, "the mail server takes too long"},
      {MailFailure::Kind::broken, "the mail server breaks off"}};
  for (const auto& [kind, what] : kinds) {
    MailFailure failure;
    failure.kind = kind;
    failure.sent = kind == MailFailure::Kind::broken;
    failure.message = what;
    const Ended ended = pushUnder(trial, failure, what);
    trial.expect(ended.reply.status == Status::transient || ended.reply.status == Status::deadline,
                 "push ends as " + ended.words() + " when " + what + "; it should be transient or deadline");
  }
}

constexpr Check kChecks[] = {
    {"mail.sent", "a push sends one mail, with the entry in it",
     "hand one message to the smtp service for each push, and see what push answered", sent},
    {"mail.message", "mails are whole messages, whatever people have typed",
     "RFC 5322: From, To, Date, Message-ID, CRLF, 7 bits, lines of at most 998 bytes; encode text (RFC 2045, RFC 2047)",
     whole},
    {"mail.recipient", "a mail goes to the push's recipient and nobody else", "send to recipient.email alone",
     recipient},
    {"mail.unsubscribe", "every mail holds the unsubscribe link", "put recipient.unsubscribe_url into every message",
     unsubscribe},
    {"mail.once", "the same push twice brings no mail that looks like another one",
     "make the Message-ID from the idempotency key and the sequence, so that mail systems can drop the second", once},
    {"mail.refused", "a recipient or message that the mail server refuses is given up, or tried later",
     "map a refusal for good to permanent and one for now to transient or rate_limited", refused},
    {"mail.unreachable", "a mail server that cannot be reached is transient",
     "pass the status of the smtp service on (the SDK's MailProblem does)", unreachable},
};

} // namespace

std::span<const Check> mailChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
