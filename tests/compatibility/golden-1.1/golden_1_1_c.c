/* A provider in plain C11 that uses what SDK 1.1 added: entries go by mail to a recipient. Its table has every member
 * of 1.1. Kept as it was when its binary was made. */
#include "../golden/json.h"

#include <stdio.h>

static const char kManifest[] =
    "{\"id\": \"golden-1-1-c\", \"name\": \"Golden 1.1 C\", \"version\": \"1.1.0\", \"min_host_minor\": 1,"
    " \"capabilities\": [\"invitations\", \"delete\"],"
    " \"requires\": [\"calbridge.call/1\", \"calbridge.smtp/1\"],"
    " \"optional\": [\"calbridge.log/1\", \"calbridge.carrier-pigeon/7\"],"
    " \"settings_schema\": {\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"from\"],"
    "  \"properties\": {\"from\": {\"type\": \"string\"}}}}";

typedef struct golden {
  char* from;
} golden;

static calbridge_bytes bytes(const char* words) {
  const calbridge_bytes all = {words, strlen(words)};
  return all;
}

/* The string member of a document, or "". To be freed. */
static char* member(calbridge_bytes json, const char* key) {
  char* value = json_string(json_member(json, key));
  return value != NULL ? value : calloc(1, 1);
}

static void fail(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_status status, const char* message) {
  text body = {NULL, 0, 0, 0};
  text_add(&body, "{\"message\": ");
  text_json(&body, message);
  text_add(&body, "}");
  if (body.failed) {
    host->reply(call, CALBRIDGE_INTERNAL, bytes("{\"message\": \"out of memory\"}"));
  } else {
    const calbridge_bytes all = {body.data, body.size};
    host->reply(call, status, all);
  }
  free(body.data);
}

/* Text for a header or a line: 7 bits, no line breaks. */
static void add_plain(text* to, char* words) {
  for (char* at = words; *at != '\0'; ++at) {
    *at = *at < ' ' || *at > '~' ? '?' : *at;
  }
  text_add(to, words);
}

static void push(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  const golden* mine = self;
  const calbridge_smtp_service_v1_t* smtp = host->get_service(host, CALBRIDGE_SMTP_SERVICE);
  const calbridge_log_service_v1_t* log = host->get_service(host, CALBRIDGE_LOG_SERVICE);
  const calbridge_bytes recipient = json_member(request, "recipient");
  char* to = member(recipient, "email");
  char* unsubscribe = member(recipient, "unsubscribe_url");
  char* title = member(json_member(request, "entry"), "title");
  char* operation = member(request, "operation");
  char* key = member(request, "idempotency_key");
  char* uid = member(request, "uid");
  const int gone = operation != NULL && strcmp(operation, "delete") == 0;
  char number[64];
  text envelope = {NULL, 0, 0, 0};
  text message = {NULL, 0, 0, 0};
  text answer = {NULL, 0, 0, 0};
  if (to == NULL || unsubscribe == NULL || title == NULL || operation == NULL || key == NULL || uid == NULL) {
    fail(host, call, CALBRIDGE_INTERNAL, "out of memory");
  } else if (*to == '\0') {
    fail(host, call, CALBRIDGE_INVALID_REQUEST, "an invitation needs a recipient");
  } else if (smtp == NULL || smtp->struct_size < sizeof *smtp || host->minor < 1 ||
             host->get_service(host, "calbridge.carrier-pigeon/7") != NULL) {
    fail(host, call, CALBRIDGE_INTERNAL, "a service of the host does not answer as it should");
  } else {
    text_add(&envelope, "{\"from\": ");
    text_json(&envelope, mine->from);
    text_add(&envelope, ", \"to\": [");
    text_json(&envelope, to);
    text_add(&envelope, "]}");
    snprintf(number, sizeof number, ".%lld", json_integer(json_member(request, "sequence"), 0));
    text_add(&message, "From: <");
    text_add(&message, mine->from);
    text_add(&message, ">\r\nTo: <");
    add_plain(&message, to);
    text_add(&message, ">\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <");
    add_plain(&message, key);
    text_add(&message, number);
    text_add(&message, "@golden.example>\r\nSubject: ");
    text_add(&message, gone ? "Cancelled" : "Invitation");
    text_add(&message, "\r\nList-Unsubscribe: <");
    add_plain(&message, unsubscribe);
    text_add(&message, ">\r\n\r\n");
    add_plain(&message, title);
    text_add(&message, "\r\n");
    text_add(&answer, "{\"provider_event_id\": ");
    text_json(&answer, uid);
    text_add(&answer, "}");
    if (envelope.failed || message.failed || answer.failed) {
      fail(host, call, CALBRIDGE_INTERNAL, "out of memory");
    } else {
      const calbridge_bytes head = {envelope.data, envelope.size};
      const calbridge_bytes body = {message.data, message.size};
      const calbridge_bytes reply = {answer.data, answer.size};
      calbridge_bytes response = {NULL, 0};
      const calbridge_status status = smtp->send(call, head, body, &response);
      if (status == CALBRIDGE_OK) {
        if (log != NULL) {
          log->write(call, CALBRIDGE_LOG_INFO, bytes("a mail was handed over"));
        }
        host->reply(call, CALBRIDGE_OK, reply);
      } else {
        char* why = member(response, "message");
        fail(host, call, status, why != NULL ? why : "no mail");
        free(why);
      }
    }
  }
  free(envelope.data);
  free(message.data);
  free(answer.data);
  free(to);
  free(unsubscribe);
  free(title);
  free(operation);
  free(key);
  free(uid);
}

static void unsupported(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  (void)self;
  (void)request;
  fail(host, call, CALBRIDGE_UNSUPPORTED, "this provider does not do that");
}

static void destroy(void* self) {
  golden* made = self;
  free(made->from);
  free(made);
}

static void* create(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes settings) {
  golden* made = calloc(1, sizeof *made);
  if (made != NULL) {
    made->from = member(json_member(settings, "settings"), "from");
    if (made->from != NULL) {
      return made;
    }
    destroy(made);
  }
  host->reply(call, CALBRIDGE_INTERNAL, bytes("{\"message\": \"out of memory\"}"));
  return NULL;
}

CALBRIDGE_EXPORT const calbridge_plugin_v1_t calbridge_plugin_v1 = {
    .magic = CALBRIDGE_MAGIC,
    .struct_size = sizeof(calbridge_plugin_v1_t),
    .major = CALBRIDGE_MAJOR,
    .minor = CALBRIDGE_MINOR,
    .manifest = {kManifest, sizeof kManifest - 1},
    .create = create,
    .destroy = destroy,
    .connect = unsupported,
    .exchange = unsupported,
    .refresh = unsupported,
    .push = push,
};
