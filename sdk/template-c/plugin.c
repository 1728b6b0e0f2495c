/* The smallest provider in plain C11: OAuth 2.0 and one REST resource per entry. Change the words "acme". */
#define _DEFAULT_SOURCE /* timegm */
#include "json.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

static const char kManifest[] =
    "{\"id\": \"acme\", \"name\": \"Acme Calendar\", \"version\": \"1.0.0\", \"concurrent\": true,"
    " \"capabilities\": [\"oauth2\", \"delete\", \"revoke\"],"
    " \"requires\": [\"calbridge.call/1\", \"calbridge.http/1\", \"calbridge.clock/1\"],"
    " \"egress\": [\"api.acme.example\"], \"egress_settings\": [\"api_url\"],"
    " \"settings_schema\": {\"type\": \"object\", \"additionalProperties\": false,"
    "  \"properties\": {\"api_url\": {\"type\": \"string\"}}}}";

typedef struct service {
  char* client_id;
  char* client_secret;
  char* api;
} service;

/* One operation under way, and what has been allocated for it. */
typedef struct task {
  const service* self;
  const calbridge_host_v1_t* host;
  calbridge_call* call;
  calbridge_bytes request;
  char* kept[16];
  size_t count;
} task;

static calbridge_bytes bytes(const char* words) {
  const calbridge_bytes all = {words, strlen(words)};
  return all;
}

static char* keep(task* t, char* made) {
  if (made != NULL && t->count == sizeof t->kept / sizeof t->kept[0]) {
    free(made);
    return NULL;
  }
  if (made != NULL) {
    t->kept[t->count++] = made;
  }
  return made;
}

/* The string member of a document, or "". */
static const char* member(task* t, calbridge_bytes json, const char* key) {
  const char* value = keep(t, json_string(json_member(json, key)));
  return value != NULL ? value : "";
}

static void reply(task* t, calbridge_status status, text* body) {
  if (body->failed) {
    t->host->reply(t->call, CALBRIDGE_INTERNAL, bytes("{\"message\": \"out of memory\"}"));
  } else {
    const calbridge_bytes all = {body->data, body->size};
    t->host->reply(t->call, status, all);
  }
  free(body->data);
  while (t->count > 0) {
    free(t->kept[--t->count]);
  }
}

static void fail(task* t, calbridge_status status, const char* message, const char* code, long long wait_ms) {
  text body = {NULL, 0, 0, 0};
  char wait[48];
  text_add(&body, "{\"message\": ");
  text_json(&body, message);
  text_add(&body, ", \"code\": ");
  text_json(&body, code);
  if (wait_ms >= 0) {
    snprintf(wait, sizeof wait, ", \"retry_after_ms\": %lld", wait_ms);
    text_add(&body, wait);
  }
  text_add(&body, "}");
  reply(t, status, &body);
}

/* True when the request is a document that has these strings; else the operation has been answered. */
static int accept(task* t, const char* const needed[], size_t count) {
  char message[96];
  if (!json_valid(t->request)) {
    fail(t, CALBRIDGE_INVALID_REQUEST, "the request is no JSON object within 1 MiB and 32 levels", "", -1);
    return 0;
  }
  for (size_t i = 0; i < count; ++i) {
    const calbridge_bytes value = json_member(t->request, needed[i]);
    if (value.size == 0 || value.data[0] != '"') {
      snprintf(message, sizeof message, "request/%s must be a string", needed[i]);
      fail(t, CALBRIDGE_INVALID_REQUEST, message, "", -1);
      return 0;
    }
  }
  return 1;
}
#define ACCEPT(t, ...)                                                                                                 \
  accept(t, (const char* const[]){__VA_ARGS__}, sizeof((const char* const[]){__VA_ARGS__}) / sizeof(char*))

/* Retry-After of a response (RFC 9110 section 10.2.3), as milliseconds from now; -1 when there is none. */
static long long retry_after_ms(task* t, calbridge_bytes head) {
  const calbridge_bytes headers = json_member(head, "headers");
  size_t at = 0;
  for (calbridge_bytes pair = json_next(headers, &at); pair.size != 0; pair = json_next(headers, &at)) {
    size_t inside = 0;
    const char* name = keep(t, json_string(json_next(pair, &inside)));
    const char* value = keep(t, json_string(json_next(pair, &inside)));
    if (name != NULL && value != NULL && strcasecmp(name, "retry-after") == 0) {
      static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
      const calbridge_clock_service_v1_t* clock = t->host->get_service(t->host, CALBRIDGE_CLOCK_SERVICE);
      struct tm date = {0};
      char month[4] = {0};
      char* end = NULL;
      const long seconds = strtol(value, &end, 10);
      if (end != value) {
        return seconds > 0 ? seconds * 1000LL : 0;
      }
      if (sscanf(value, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &date.tm_mday, month, &date.tm_year, &date.tm_hour,
                 &date.tm_min, &date.tm_sec) == 6 &&
          strstr(months, month) != NULL) {
        long long wait;
        date.tm_mon = (int)(strstr(months, month) - months) / 3;
        date.tm_year -= 1900;
        wait = timegm(&date) * 1000LL - clock->now_ms(t->call);
        return wait > 0 ? wait : 0;
      }
      return -1;
    }
    while (t->count > 12) { /* many headers: only the newest few are kept */
      free(t->kept[--t->count]);
    }
  }
  return -1;
}

/* Sends a request. True with an answer of 2xx; else the operation has been answered with what the failure means. */
static int exchange_http(task* t, const char* method, const char* url, const char* token, const char* type,
                         const text* sent, calbridge_bytes* answer) {
  const calbridge_http_service_v1_t* http = t->host->get_service(t->host, CALBRIDGE_HTTP_SERVICE);
  const calbridge_bytes body = {sent != NULL ? sent->data : NULL, sent != NULL ? sent->size : 0};
  calbridge_bytes head = {NULL, 0};
  calbridge_status status;
  text request = {NULL, 0, 0, 0};
  text bearer = {NULL, 0, 0, 0};
  text_add(&bearer, "Bearer ");
  text_add(&bearer, token);
  text_add(&request, "{\"method\": ");
  text_json(&request, method);
  text_add(&request, ", \"url\": ");
  text_json(&request, url != NULL ? url : "");
  text_add(&request, ", \"headers\": [[\"Accept\", \"application/json\"]");
  if (*token != '\0' && !bearer.failed) {
    text_add(&request, ", [\"Authorization\", ");
    text_json(&request, bearer.data);
    text_add(&request, "]");
  }
  if (*type != '\0') {
    text_add(&request, ", [\"Content-Type\", ");
    text_json(&request, type);
    text_add(&request, "]");
  }
  text_add(&request, "]}");
  if (url == NULL || request.failed || bearer.failed || (sent != NULL && sent->failed)) {
    free(bearer.data);
    free(request.data);
    fail(t, CALBRIDGE_INTERNAL, "out of memory", "", -1);
    return 0;
  }
  {
    const calbridge_bytes all = {request.data, request.size};
    status = http->send(t->call, all, body, &head, answer);
  }
  free(bearer.data);
  free(request.data);
  if (status != CALBRIDGE_OK) { /* no whole answer came: the host says why, and what that means */
    fail(t, status, member(t, head, "message"), member(t, head, "kind"), -1);
    return 0;
  }
  {
    const int code = (int)json_integer(json_member(head, "status"), 0);
    const char* error = member(t, *answer, "error");
    const int oauth = *token == '\0';
    char message[64];
    if (code >= 200 && code < 300) {
      return 1;
    }
    if ((code == 404 || code == 410) && strcmp(method, "DELETE") == 0) {
      return 1; /* gone already is fine */
    }
    snprintf(message, sizeof message, "Acme refused (HTTP %d)", code);
    status = strcmp(error, "invalid_grant") == 0         ? CALBRIDGE_REAUTH_REQUIRED
             : code == 429                               ? CALBRIDGE_RATE_LIMITED
             : code == 408 || code == 425 || code >= 500 ? CALBRIDGE_TRANSIENT
             : oauth                                     ? CALBRIDGE_PERMANENT
             : code == 401                               ? CALBRIDGE_REAUTH_REQUIRED
             : code == 404 || code == 410                ? CALBRIDGE_NOT_FOUND
             : code == 409 || code == 412                ? CALBRIDGE_CONFLICT
                                                         : CALBRIDGE_PERMANENT;
    fail(t, status, message, error, retry_after_ms(t, head));
    return 0;
  }
}

static char* api_url(task* t, const char* path, const char* last) {
  text url = {NULL, 0, 0, 0};
  text_add(&url, t->self->api);
  text_add(&url, path);
  text_percent(&url, last);
  return keep(t, url.data);
}

static void parameter(text* form, const char* name, const char* value) {
  text_add(form, form->size == 0 ? "" : "&");
  text_add(form, name);
  text_add(form, "=");
  text_percent(form, value);
}

static void connect_(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  task t = {.self = self, .host = host, .call = call, .request = request};
  text form = {NULL, 0, 0, 0};
  text body = {NULL, 0, 0, 0};
  text url = {NULL, 0, 0, 0};
  if (!ACCEPT(&t, "redirect_uri", "state", "code_challenge", "code_challenge_method")) {
    return;
  }
  parameter(&form, "response_type", "code");
  parameter(&form, "client_id", t.self->client_id);
  parameter(&form, "redirect_uri", member(&t, request, "redirect_uri"));
  parameter(&form, "scope", "calendar");
  parameter(&form, "state", member(&t, request, "state"));
  parameter(&form, "code_challenge", member(&t, request, "code_challenge"));
  parameter(&form, "code_challenge_method", member(&t, request, "code_challenge_method"));
  text_add(&url, t.self->api);
  text_add(&url, "/authorize?");
  text_add(&url, form.failed ? "" : form.data);
  text_add(&body, "{\"authorization_url\": ");
  text_json(&body, url.failed ? "" : url.data);
  text_add(&body, "}");
  body.failed = body.failed || form.failed || url.failed;
  free(form.data);
  free(url.data);
  reply(&t, CALBRIDGE_OK, &body);
}

/* Sends the form to the token endpoint and answers with what came; with the account, when asked for. */
static void tokens(task* t, text* form, int account) {
  const char* url = api_url(t, "/token", "");
  calbridge_bytes answer = {NULL, 0};
  parameter(form, "client_id", t->self->client_id);
  parameter(form, "client_secret", t->self->client_secret);
  if (exchange_http(t, "POST", url, "", "application/x-www-form-urlencoded", form, &answer)) {
    const char* access = member(t, answer, "access_token");
    const char* refresh = member(t, answer, "refresh_token");
    const long long seconds = json_integer(json_member(answer, "expires_in"), -1);
    text body = {NULL, 0, 0, 0};
    text_add(&body, "{\"access_token\": ");
    text_json(&body, access);
    if (*refresh != '\0') {
      text_add(&body, ", \"refresh_token\": ");
      text_json(&body, refresh);
    }
    if (seconds >= 0) {
      char words[48];
      snprintf(words, sizeof words, ", \"expires_in\": %lld", seconds);
      text_add(&body, words);
    }
    if (*access == '\0') {
      free(body.data);
      fail(t, CALBRIDGE_TRANSIENT, "the token answer holds no access_token", "", -1);
    } else if (!account || exchange_http(t, "GET", api_url(t, "/me", ""), access, "", NULL, &answer)) {
      if (account) {
        text_add(&body, ", \"account\": {\"id\": ");
        text_json(&body, member(t, answer, "id"));
        text_add(&body, ", \"label\": ");
        text_json(&body, member(t, answer, "email"));
        text_add(&body, "}");
      }
      text_add(&body, "}");
      reply(t, CALBRIDGE_OK, &body);
    } else {
      free(body.data);
    }
  }
  free(form->data);
}

static void exchange(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  task t = {.self = self, .host = host, .call = call, .request = request};
  text form = {NULL, 0, 0, 0};
  if (!ACCEPT(&t, "redirect_uri", "code", "code_verifier")) {
    return;
  }
  parameter(&form, "grant_type", "authorization_code");
  parameter(&form, "code", member(&t, request, "code"));
  parameter(&form, "redirect_uri", member(&t, request, "redirect_uri"));
  parameter(&form, "code_verifier", member(&t, request, "code_verifier"));
  tokens(&t, &form, 1);
}

static void refresh(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  task t = {.self = self, .host = host, .call = call, .request = request};
  text form = {NULL, 0, 0, 0};
  if (!ACCEPT(&t, "refresh_token")) {
    return;
  }
  parameter(&form, "grant_type", "refresh_token");
  parameter(&form, "refresh_token", member(&t, request, "refresh_token"));
  tokens(&t, &form, 0);
}

/* The uid names the resource, so that twice is once. */
static void push(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  task t = {.self = self, .host = host, .call = call, .request = request};
  const calbridge_bytes entry = json_member(request, "entry");
  const char *token, *uid, *url, *operation;
  calbridge_bytes answer = {NULL, 0};
  text body = {NULL, 0, 0, 0};
  text sent = {NULL, 0, 0, 0};
  int done, removal;
  if (!ACCEPT(&t, "operation", "uid")) {
    return;
  }
  token = member(&t, request, "access_token");
  uid = member(&t, request, "uid");
  url = api_url(&t, "/entries/", uid);
  operation = member(&t, request, "operation");
  removal = strcmp(operation, "delete") == 0;
  if (!removal && (strcmp(operation, "upsert") != 0 || entry.size == 0 || entry.data[0] != '{')) {
    fail(&t, CALBRIDGE_INVALID_REQUEST, "request/operation must be delete, or upsert with an entry", "", -1);
    return;
  }
  if (removal) {
    done = exchange_http(&t, "DELETE", url, token, "", NULL, &answer);
  } else {
    static const char* const fields[][2] = {
        {"title", "title"}, {"location", "location"}, {"start", "start_utc"}, {"end", "end_utc"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; ++i) {
      text_add(&sent, i == 0 ? "{\"" : ", \"");
      text_add(&sent, fields[i][0]);
      text_add(&sent, "\": ");
      text_json(&sent, member(&t, entry, fields[i][1]));
    }
    text_add(&sent, "}");
    done = exchange_http(&t, "PUT", url, token, "application/json", &sent, &answer);
  }
  free(sent.data);
  if (done) {
    text_add(&body, "{\"provider_event_id\": ");
    text_json(&body, uid);
    text_add(&body, "}");
    reply(&t, CALBRIDGE_OK, &body);
  }
}

static void revoke(void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes request) {
  task t = {.self = self, .host = host, .call = call, .request = request};
  text form = {NULL, 0, 0, 0};
  text body = {NULL, 0, 0, 0};
  calbridge_bytes answer = {NULL, 0};
  if (!ACCEPT(&t, "refresh_token")) {
    return;
  }
  parameter(&form, "token", member(&t, request, "refresh_token"));
  if (exchange_http(&t, "POST", api_url(&t, "/revoke", ""), "", "application/x-www-form-urlencoded", &form, &answer)) {
    text_add(&body, "{}");
    reply(&t, CALBRIDGE_OK, &body);
  }
  free(form.data);
}

static void destroy(void* self) {
  service* made = self;
  free(made->client_id);
  free(made->client_secret);
  free(made->api);
  free(made);
}

static char* or_else(char* value, const char* fallback) {
  return value != NULL ? value : strdup(fallback);
}

static void* create(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes settings) {
  service* made = calloc(1, sizeof *made);
  if (made != NULL) {
    made->client_id = or_else(json_string(json_member(settings, "client_id")), "");
    made->client_secret = or_else(json_string(json_member(settings, "client_secret")), "");
    made->api =
        or_else(json_string(json_member(json_member(settings, "settings"), "api_url")), "https://api.acme.example/v1");
    if (made->client_id != NULL && made->client_secret != NULL && made->api != NULL) {
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
    .connect = connect_,
    .exchange = exchange,
    .refresh = refresh,
    .push = push,
    .revoke = revoke,
};
