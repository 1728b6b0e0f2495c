#include "http/api/form_connect.hpp"
#include "connections/audit_log.hpp"
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "delivery/delivery_engine.hpp"
#include "http/api/body.hpp"
#include "http/api/resources.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kTimeout{25000};
constexpr std::size_t kLongestValue = 4096;

/// The form's values as they were typed; inputs that were left empty are left out.
json valuesIn(const json& body, const std::vector<FormField>& form) {
  const auto found = body.find("credentials");
  if (found == body.end() || !found->is_object())
    throw Error("invalid_field", "`credentials` must be an object with what the form asks for", {}, "/credentials");
  for (const auto& [name, value] : found->items())
    if (std::none_of(form.begin(), form.end(), [&key = name](const FormField& field) { return field.name == key; }))
      throw Error("invalid_field", "the form has no such field", {},
                  (json::json_pointer("/credentials") / name).to_string());
  json values = json::object();
  for (const FormField& field : form) {
    const std::string pointer = "/credentials/" + field.name;
    const auto given = found->find(field.name);
    const auto* text = given == found->end() ? nullptr : given->get_ptr<const std::string*>();
    if (given != found->end() && text == nullptr)
      throw Error("invalid_field", field.title + " must be a text", {}, pointer);
    if (text == nullptr || text->empty()) {
      if (field.required)
        throw Error("invalid_field", field.title + " is missing", {}, pointer);
      continue;
    }
    if (text->size() > kLongestValue)
      throw Error("invalid_field", field.title + " is too long", {}, pointer);
    if (std::any_of(text->begin(), text->end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }))
      throw Error("invalid_field", field.title + " must be one line without control characters", {}, pointer);
    if (!field.choices.empty() && std::find(field.choices.begin(), field.choices.end(), *text) == field.choices.end())
      throw Error("invalid_field", field.title + " must be one of the offered values", {}, pointer);
    values[field.name] = *text;
  }
  return values;
}

Response tooMany(std::chrono::seconds wait) {
  auto answer = problem(429, "too_many_attempts", "too many attempts to connect; wait a minute and try again");
  return answer.header("Retry-After", std::to_string(wait.count()));
}

} // namespace

Response connectByForm(Services& services, LoginThrottle& throttle, Exchange& exchange, const Provider& provider) {
  const Person& person = exchange.person();
  const json body = readJsonObject(exchange.request);
  Fields(body).allowOnly({"credentials"});
  const json values = valuesIn(body, provider.info().form);
  if (const auto wait = throttle.begin(person.id, exchange.request.clientAddress); wait.count() > 0)
    return tooMany(wait);
  CallContext context;
  context.timeout = kTimeout;
  context.requestId = exchange.request.requestId;
  const std::string& id = provider.info().id;
  const auto result =
      services.connections.passwords().connect(person, allowedProviders(services, person), id, values, context);
  const connections::AuditLog audit(services.store, services.clock, services.logger);
  if (const auto& refusal = result.refusal) {
    audit.note("connection.refused", connections::AuditLog::person(person.id), person.id,
               {{"provider", id}, {"error", refusal->code}});
    auto answer = problem(refusal->httpStatus, refusal->code, refusal->message,
                          refusal->field.empty() ? "" : "/credentials/" + refusal->field);
    if (refusal->retryAfter)
      answer.header("Retry-After", std::to_string(refusal->retryAfter->count() / 1000 + 1));
    return answer.header("Cache-Control", "no-store");
  }
  throttle.succeeded(person.id, exchange.request.clientAddress);
  audit.note("connection.created", connections::AuditLog::person(person.id), person.id,
             {{"provider", id}, {"connection", result.connectionId}});
  services.connections.changed(person.id);
  services.engine.wake();
  auto answer = Response::json(
      200, {{"connected", true}, {"account", {{"id", result.account.id}, {"label", result.account.label}}}});
  return answer.header("Cache-Control", "no-store");
}

} // namespace calbridge::http
