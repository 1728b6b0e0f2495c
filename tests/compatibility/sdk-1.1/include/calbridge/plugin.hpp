#pragma once
/// \file
/// Everything to write a provider in C++20: a class and CALBRIDGE_PLUGIN(Class). The class has
///
///   static constexpr std::string_view kManifest = R"({"id":"acme", ...})";
///   explicit Class(const Settings& settings);                        // or no argument; throws Problem
///   ConnectReply connect(Call& call, const ConnectRequest& request);
///   Grant exchange(Call& call, const ExchangeRequest& request);
///   Grant refresh(Call& call, const RefreshRequest& request);
///   PushReply push(Call& call, const PushRequest& request);
///   void revoke(Call& call, const RevokeRequest& request);           // optional
///   FeedFrame feed(Call& call, const FeedRequest& request);          // optional
///   Authentication authenticate(Call& call, const AuthenticateRequest& request);      // optional
///   CalendarList list_calendars(Call& call, const ListCalendarsRequest& request);     // optional
///   BusyTimes free_busy(Call& call, const FreeBusyRequest& request);                  // optional
///   ChangeList changes(Call& call, const ChangesRequest& request);                    // optional
///
/// Each may throw Problem, or return a Result. An operation that the class lacks answers `unsupported`. Whatever else
/// is thrown becomes `internal` with the exception's type alone, since its text might hold secrets.
#include "calbridge/call.hpp"
#include "calbridge/messages.hpp"

#include <cstring>
#include <type_traits>
#include <typeinfo>

namespace calbridge::sdk::detail {

inline void replyText(const calbridge_host_v1_t* host, calbridge_call* call, Status status, std::string_view text) {
  host->reply(call, static_cast<calbridge_status>(status), borrow(text));
}

/// Runs `body`, which replies by itself, and turns everything that it throws into a reply.
template <typename Body>
void guarded(const calbridge_host_v1_t* host, calbridge_call* call, Body&& body) noexcept {
  try {
    try {
      body();
    } catch (const Problem& problem) {
      replyText(host, call, problem.status(), write(problem));
    } catch (const std::exception& exception) {
      replyText(host, call, Status::internal,
                write(Problem(Status::internal, std::string("unexpected exception ") + typeid(exception).name())));
    }
  } catch (...) {
    replyText(host, call, Status::internal, R"({"message":"unexpected exception"})");
  }
}

template <typename T>
struct IsResult : std::false_type {};
template <typename T>
struct IsResult<std::variant<T, Problem>> : std::true_type {};

/// One thunk: parse, call, reply.
template <typename Plugin, typename Request, typename Method>
void operate(void* self, const calbridge_host_v1_t* host, calbridge_call* handle, calbridge_bytes bytes,
             Method method) noexcept {
  guarded(host, handle, [&] {
    Request request;
    if (!scan(view(bytes), request)) {
      request = {};
      Json json = parseJson(view(bytes), Status::invalidRequest, "the request");
      read(json, request);
    }
    Call call(host, handle);
    using Answer = decltype(method(*static_cast<Plugin*>(self), call, std::as_const(request)));
    if constexpr (std::is_void_v<Answer>) {
      method(*static_cast<Plugin*>(self), call, std::as_const(request));
      replyText(host, handle, Status::ok, "{}");
    } else {
      const Answer answer = method(*static_cast<Plugin*>(self), call, std::as_const(request));
      if constexpr (!IsResult<Answer>::value) {
        replyText(host, handle, Status::ok, write(answer));
      } else if (const Problem* problem = std::get_if<Problem>(&answer); problem != nullptr) {
        replyText(host, handle, problem->status(), write(*problem));
      } else {
        replyText(host, handle, Status::ok, write(std::get<0>(answer)));
      }
    }
  });
}

inline void unsupported(void*, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes) noexcept {
  replyText(host, call, Status::unsupported, R"({"message":"this provider does not do that"})");
}

// One pair per operation: the thunk where the class has the function, `Otherwise` where it has not.
#define CALBRIDGE_DETAIL_OPERATION(name, Request, otherwise)                                                           \
  template <typename Plugin>                                                                                           \
  constexpr calbridge_operation name##Thunk() {                                                                        \
    if constexpr (requires(Plugin & p, Call & c, const Request& r) { p.name(c, r); }) {                                \
      return [](void* self, const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes bytes) {            \
        operate<Plugin, Request>(self, host, call, bytes,                                                              \
                                 [](Plugin& p, Call& c, const Request& r) { return p.name(c, r); });                   \
      };                                                                                                               \
    } else {                                                                                                           \
      return otherwise;                                                                                                \
    }                                                                                                                  \
  }
CALBRIDGE_DETAIL_OPERATION(connect, ConnectRequest, unsupported)
CALBRIDGE_DETAIL_OPERATION(exchange, ExchangeRequest, unsupported)
CALBRIDGE_DETAIL_OPERATION(refresh, RefreshRequest, unsupported)
CALBRIDGE_DETAIL_OPERATION(push, PushRequest, unsupported)
CALBRIDGE_DETAIL_OPERATION(revoke, RevokeRequest, nullptr)
CALBRIDGE_DETAIL_OPERATION(feed, FeedRequest, nullptr)
CALBRIDGE_DETAIL_OPERATION(authenticate, AuthenticateRequest, nullptr)
CALBRIDGE_DETAIL_OPERATION(list_calendars, ListCalendarsRequest, nullptr)
CALBRIDGE_DETAIL_OPERATION(free_busy, FreeBusyRequest, nullptr)
CALBRIDGE_DETAIL_OPERATION(changes, ChangesRequest, nullptr)
#undef CALBRIDGE_DETAIL_OPERATION

template <typename Plugin>
void* create(const calbridge_host_v1_t* host, calbridge_call* call, calbridge_bytes bytes) {
  void* made = nullptr;
  guarded(host, call, [&] {
    Json json = parseJson(view(bytes), Status::invalidRequest, "the settings");
    Settings settings;
    read(json, settings);
    if constexpr (std::is_constructible_v<Plugin, const Settings&>) {
      made = new Plugin(std::as_const(settings));
    } else {
      made = new Plugin();
    }
  });
  return made;
}

template <typename Plugin>
void destroy(void* self) {
  delete static_cast<Plugin*>(self);
}

template <typename Plugin>
constexpr calbridge_plugin_v1_t table() {
  return {CALBRIDGE_MAGIC,
          sizeof(calbridge_plugin_v1_t),
          CALBRIDGE_MAJOR,
          CALBRIDGE_MINOR,
          {Plugin::kManifest.data(), Plugin::kManifest.size()},
          create<Plugin>,
          destroy<Plugin>,
          connectThunk<Plugin>(),
          exchangeThunk<Plugin>(),
          refreshThunk<Plugin>(),
          pushThunk<Plugin>(),
          revokeThunk<Plugin>(),
          feedThunk<Plugin>(),
          authenticateThunk<Plugin>(),
          list_calendarsThunk<Plugin>(),
          free_busyThunk<Plugin>(),
          changesThunk<Plugin>()};
}

} // namespace calbridge::sdk::detail

/// Exports `Class` as this library's plugin. Once, in one source file, outside of any namespace.
#define CALBRIDGE_PLUGIN(Class)                                                                                        \
  extern "C" CALBRIDGE_EXPORT constinit const calbridge_plugin_v1_t calbridge_plugin_v1 =                              \
      ::calbridge::sdk::detail::table<Class>();
