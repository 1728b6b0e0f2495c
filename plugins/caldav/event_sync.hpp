#pragma once
#include "calbridge/messages.hpp"
#include "dav_client.hpp"
#include "icalendar/timezone.hpp"

namespace calbridge::caldav {

/// Brings one calendar object resource into agreement with one push (RFC 4791 section 5.3.2). Whatever was done before
/// and whoever was here meanwhile, twice is once: the resource's name follows from the uid, writes are conditional, and
/// nothing is overwritten or deleted that does not carry our UID.
class EventSync {
 public:
  /// Everything is borrowed.
  EventSync(DavClient& client, ics::Zones& zones, const sdk::PushRequest& request);

  /// Throws as DavClient::send, and sdk::Problem: notFound (`calendar_gone`), conflict (somebody writes all the time),
  /// permanent (the server refuses the entry).
  sdk::PushReply push();

 private:
  struct Held {
    bool there = false;
    bool ours = false;
    std::string etag; ///< strong ones only
  };
  struct CalendarGone {};

  sdk::PushReply upsert(const std::string& calendar);
  sdk::PushReply create(const std::string& calendar);
  sdk::PushReply replace(const std::string& url, std::string etag, const std::string& calendar);
  sdk::PushReply move(const std::string& from, const std::string& calendar);
  void remove(const std::string& url, std::string etag);
  void removeUnknown();
  Held look(const std::string& url);
  void refuseIfGone(int status, const std::string& calendar);
  void spendRound();
  std::string findByUid(const std::string& calendar);
  std::string etagAfter(const sdk::HttpResponse& response, const std::string& url);
  std::string targetCalendar();
  std::string body();
  [[noreturn]] void refused(const sdk::HttpResponse& response, const char* what);

  DavClient& client_;
  ics::Zones& zones_;
  const sdk::PushRequest& request_;
  const std::string uid_; ///< as the entry carries it
  int rounds_ = 0;        ///< of writing, in all steps together
};

} // namespace calbridge::caldav
