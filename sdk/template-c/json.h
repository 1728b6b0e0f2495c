/* The little JSON that a plugin in C needs: reading members out of a document, writing strings into one. Whatever the
 * input is, nothing outside of it is read. Nesting costs no stack. */
#ifndef JSON_H
#define JSON_H

#include <calbridge/abi.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing: a text that grows; `failed` once memory ran out, and checked once, at its end ---- */

typedef struct text {
  char* data;
  size_t size;
  size_t room;
  int failed;
} text;

static inline void text_bytes(text* to, const char* data, size_t size) {
  if (!to->failed && to->room - to->size <= size) {
    const size_t room = 2 * (to->size + size) + 64;
    char* data_now = (char*)realloc(to->data, room);
    to->failed = data_now == NULL;
    to->data = data_now == NULL ? to->data : data_now;
    to->room = data_now == NULL ? to->room : room;
  }
  if (!to->failed) {
    if (size != 0) {
      memcpy(to->data + to->size, data, size);
    }
    to->size += size;
    to->data[to->size] = '\0';
  }
}

static inline void text_add(text* to, const char* words) {
  text_bytes(to, words, strlen(words));
}

/* As a JSON string, quotes included. */
static inline void text_json(text* to, const char* words) {
  static const char digits[] = "0123456789abcdef";
  text_add(to, "\"");
  for (; *words != '\0'; ++words) {
    const unsigned char c = (unsigned char)*words;
    if (c == '"' || c == '\\') {
      text_add(to, "\\");
    }
    if (c < 0x20) {
      const char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
      text_bytes(to, escape, sizeof escape);
    } else {
      text_bytes(to, words, 1);
    }
  }
  text_add(to, "\"");
}

/* Percent-encoded (RFC 3986), for URLs and forms. */
static inline void text_percent(text* to, const char* words) {
  static const char digits[] = "0123456789ABCDEF";
  for (; *words != '\0'; ++words) {
    const unsigned char c = (unsigned char)*words;
    const int plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                      c == '.' || c == '_' || c == '~';
    const char escape[] = {'%', digits[c >> 4], digits[c & 15]};
    text_bytes(to, plain ? words : escape, plain ? 1 : sizeof escape);
  }
}

static inline size_t json_blank(calbridge_bytes json, size_t at) {
  while (at < json.size && memchr(" \t\r\n", json.data[at], 4) != NULL) {
    ++at;
  }
  return at;
}

/* ---- checking: whatever is read further below may be anything, but is no document until this says so ---- */

/* The length of the valid UTF-8 sequence (RFC 3629) at `at`, or 0. */
static inline size_t json_utf8(calbridge_bytes json, size_t at) {
  const unsigned char first = (unsigned char)json.data[at];
  const size_t size = first < 0x80                     ? 1
                      : first >= 0xC2 && first <= 0xDF ? 2
                      : first >= 0xE0 && first <= 0xEF ? 3
                      : first >= 0xF0 && first <= 0xF4 ? 4
                                                       : 0;
  if (size == 0 || json.size - at < size) {
    return 0;
  }
  for (size_t i = 1; i < size; ++i) {
    const unsigned char c = (unsigned char)json.data[at + i];
    const unsigned char least = i == 1 && first == 0xE0 ? 0xA0 : i == 1 && first == 0xF0 ? 0x90 : 0x80;
    const unsigned char most = i == 1 && first == 0xED ? 0x9F : i == 1 && first == 0xF4 ? 0x8F : 0xBF;
    if (c < least || c > most) {
      return 0;
    }
  }
  return size;
}

/* Where the string ends that starts at `at`; 0 when there is none. */
static inline size_t json_text_end(calbridge_bytes json, size_t at) {
  if (at >= json.size || json.data[at] != '"') {
    return 0;
  }
  for (++at; at < json.size && json.data[at] != '"';) {
    size_t size = json_utf8(json, at);
    if ((unsigned char)json.data[at] < 0x20) {
      return 0;
    }
    if (json.data[at] == '\\') {
      const char name = at + 1 < json.size ? json.data[at + 1] : '\0';
      size = name == 'u' ? 6 : 2;
      if (memchr("\"\\/bfnrtu", name, 9) == NULL || json.size - at < size) {
        return 0;
      }
      for (size_t i = 2; i < size; ++i) {
        if (memchr("0123456789abcdefABCDEF", json.data[at + i], 22) == NULL) {
          return 0;
        }
      }
    }
    if (size == 0) {
      return 0;
    }
    at += size;
  }
  return at < json.size ? at + 1 : 0;
}

static inline size_t json_digits_end(calbridge_bytes json, size_t at) {
  while (at < json.size && json.data[at] >= '0' && json.data[at] <= '9') {
    ++at;
  }
  return at;
}

/* Where the number, true, false or null ends that starts at `at`; 0 when there is none. */
static inline size_t json_word_end(calbridge_bytes json, size_t at) {
  static const char* const words[] = {"true", "false", "null"};
  size_t start;
  for (size_t i = 0; i < 3; ++i) {
    const size_t size = strlen(words[i]);
    if (json.size - at >= size && memcmp(json.data + at, words[i], size) == 0) {
      return at + size;
    }
  }
  at += at < json.size && json.data[at] == '-';
  start = at;
  at = json_digits_end(json, at);
  if (at == start || (json.data[start] == '0' && at > start + 1)) {
    return 0;
  }
  if (at < json.size && json.data[at] == '.') {
    start = ++at;
    at = json_digits_end(json, at);
    if (at == start) {
      return 0;
    }
  }
  if (at < json.size && (json.data[at] == 'e' || json.data[at] == 'E')) {
    ++at;
    at += at < json.size && (json.data[at] == '+' || json.data[at] == '-');
    start = at;
    at = json_digits_end(json, at);
    return at == start ? 0 : at;
  }
  return at;
}

/* Is it one JSON object (RFC 8259) within the limits of the boundary: UTF-8, at most 1 MiB, at most 32 levels? */
static inline int json_valid(calbridge_bytes json) {
  char open[CALBRIDGE_JSON_MAX_DEPTH]; /* what closes each level */
  size_t depth = 0;
  int fresh = 0; /* right behind an opening bracket, where the closing one may follow */
  size_t at = json_blank(json, 0);
  if (json.size > CALBRIDGE_JSON_MAX_BYTES || at >= json.size || json.data[at] != '{') {
    return 0;
  }
  for (;;) {
    at = json_blank(json, at);
    if (fresh && at < json.size && json.data[at] == open[depth - 1]) {
      --depth;
      ++at;
    } else {
      if (depth > 0 && open[depth - 1] == '}') { /* a name goes first */
        at = json_text_end(json, at);
        at = at == 0 ? json.size : json_blank(json, at);
        if (at >= json.size || json.data[at] != ':') {
          return 0;
        }
        at = json_blank(json, at + 1);
      }
      if (at >= json.size) {
        return 0;
      }
      fresh = json.data[at] == '{' || json.data[at] == '[';
      if (fresh) {
        if (depth == CALBRIDGE_JSON_MAX_DEPTH) {
          return 0;
        }
        open[depth++] = json.data[at++] == '{' ? '}' : ']';
        continue;
      }
      at = json.data[at] == '"' ? json_text_end(json, at) : json_word_end(json, at);
      if (at == 0) {
        return 0;
      }
    }
    fresh = 0;
    for (;;) { /* a value is over: what closes here, until a comma asks for the next one */
      at = json_blank(json, at);
      if (depth == 0) {
        return at == json.size;
      }
      if (at < json.size && json.data[at] == ',') {
        ++at;
        break;
      }
      if (at >= json.size || json.data[at] != open[depth - 1]) {
        return 0;
      }
      --depth;
      ++at;
    }
  }
}

/* ---- reading: pieces of a document that somebody else owns; a piece of size 0 is "not there" ---- */

/* Where the value ends that starts at `at`; json.size when it does not end. */
static inline size_t json_end(calbridge_bytes json, size_t at) {
  size_t depth = 0;
  int quoted = 0;
  for (; at < json.size; ++at) {
    const char c = json.data[at];
    if (quoted) {
      at += c == '\\';
      quoted = c != '"';
    } else if (c == '"') {
      quoted = 1;
      continue;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) {
        return at;
      }
      --depth;
    } else if (depth == 0) {
      if (c == ',' || c == ':' || memchr(" \t\r\n", c, 4) != NULL) {
        return at;
      }
      continue;
    }
    if (depth == 0 && !quoted) {
      return at + 1;
    }
  }
  return json.size;
}

/* The next element of the array (or the next key or value of the object); *at is 0 before the first. */
static inline calbridge_bytes json_next(calbridge_bytes json, size_t* at) {
  calbridge_bytes piece = {NULL, 0};
  size_t end;
  *at = json_blank(json, *at);
  if (*at < json.size && memchr("[{,:", json.data[*at], 4) != NULL) {
    *at = json_blank(json, *at + 1);
  }
  end = json_end(json, *at);
  if (end > *at) {
    piece.data = json.data + *at;
    piece.size = end - *at;
  }
  *at = end;
  return piece;
}

/* The value of a member of the object, as it stands in the document. */
static inline calbridge_bytes json_member(calbridge_bytes json, const char* key) {
  const size_t size = strlen(key);
  const size_t start = json_blank(json, 0);
  size_t at = start;
  if (start < json.size && json.data[start] == '{') {
    for (;;) {
      const calbridge_bytes name = json_next(json, &at);
      const calbridge_bytes value = json_next(json, &at);
      if (name.size == 0 || value.size == 0) {
        break;
      }
      if (name.size == size + 2 && memcmp(name.data + 1, key, size) == 0) {
        return value;
      }
    }
  }
  return (calbridge_bytes){NULL, 0};
}

/* The number, or `fallback`. */
static inline long long json_integer(calbridge_bytes value, long long fallback) {
  char digits[24] = {0};
  char* end = digits;
  long long number;
  if (value.size == 0 || value.size >= sizeof digits) {
    return fallback;
  }
  memcpy(digits, value.data, value.size);
  number = strtoll(digits, &end, 10);
  return end == digits ? fallback : number;
}

static inline long json_hex4(calbridge_bytes value, size_t at) {
  char digits[5] = {0};
  char* end = digits;
  long number;
  if (at + 4 >= value.size) {
    return -1;
  }
  memcpy(digits, value.data + at, 4);
  number = strtol(digits, &end, 16);
  return end == digits + 4 && strspn(digits, "0123456789abcdefABCDEF") == 4 ? number : -1;
}

static inline void text_code_point(text* to, long code) {
  const char c[] = {(char)(code < 0x80      ? code
                           : code < 0x800   ? 0xC0 | code >> 6
                           : code < 0x10000 ? 0xE0 | code >> 12
                                            : 0xF0 | code >> 18),
                    (char)(0x80 | (code >> 12 & 63)), (char)(0x80 | (code >> 6 & 63)), (char)(0x80 | (code & 63))};
  text_bytes(to, c, 1);
  if (code >= 0x10000) {
    text_bytes(to, c + 1, 1);
  }
  if (code >= 0x800) {
    text_bytes(to, c + 2, 1);
  }
  if (code >= 0x80) {
    text_bytes(to, c + 3, 1);
  }
}

/* A copy of the string, decoded, to be freed; NULL when the value is no string, is malformed, or holds a NUL. */
static inline char* json_string(calbridge_bytes value) {
  static const char names[] = "\"\\/bfnrt";
  static const char meant[] = "\"\\/\b\f\n\r\t";
  text to = {NULL, 0, 0, 0};
  size_t at = 1;
  if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"') {
    return NULL;
  }
  text_add(&to, "");
  while (at < value.size - 1 && !to.failed) {
    const char c = value.data[at];
    if (c != '\\') {
      to.failed = to.failed || c == '\0';
      text_bytes(&to, value.data + at, 1);
      ++at;
      continue;
    }
    if (value.data[at + 1] == 'u') {
      long code = json_hex4(value, at + 2);
      at += 6;
      if (code >= 0xD800 && code < 0xDC00) { /* the first half of a pair */
        const int second = at + 1 < value.size && value.data[at] == '\\' && value.data[at + 1] == 'u';
        const long low = second ? json_hex4(value, at + 2) : -1;
        code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00) : -1;
        at += 6;
      } else if (code >= 0xDC00 && code < 0xE000) {
        code = -1;
      }
      to.failed = to.failed || code <= 0;
      text_code_point(&to, code);
    } else {
      const char* name = strchr(names, value.data[at + 1]);
      to.failed = to.failed || name == NULL || *name == '\0' || at + 1 >= value.size - 1;
      if (!to.failed) {
        text_bytes(&to, meant + (name - names), 1);
      }
      at += 2;
    }
  }
  if (to.failed) {
    free(to.data);
    return NULL;
  }
  return to.data;
}

#endif
