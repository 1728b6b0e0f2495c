#pragma once
#include <string>
#include <string_view>
#include <vector>

/// The XML of WebDAV, read strictly and within limits. Pure functions.
namespace calbridge::caldav {

inline constexpr const char* kDav = "DAV:";
inline constexpr const char* kCalDav = "urn:ietf:params:xml:ns:caldav";
inline constexpr const char* kAppleIcal = "http://apple.com/ns/ical/";

struct XmlElement {
  std::string space; ///< namespace
  std::string name;
  std::string text;      ///< directly inside, joined
  std::string nameValue; ///< of its attribute `name`, the only one that CalDAV's answers need
  std::vector<XmlElement> children;

  bool is(std::string_view ns, std::string_view local) const { return space == ns && name == local; }
  /// The first child of that name, or null.
  const XmlElement* child(std::string_view ns, std::string_view local) const;
  /// The first element of that name below, at any depth; or null.
  const XmlElement* find(std::string_view ns, std::string_view local) const;
};

/// The root element. Throws sdk::Problem(transient) for what is no well-formed XML, has a document type (nothing in
/// WebDAV has one; entities could make a megabyte into gigabytes), more than 40 levels or 50,000 elements.
XmlElement parseXml(std::string_view text);

/// As text of an element.
std::string escapedXml(std::string_view text);

/// One DAV:response of a DAV:multistatus (RFC 4918 section 14.24).
struct DavResource {
  std::string href;                   ///< as the server wrote it
  std::vector<XmlElement> properties; ///< those that came with a 2xx status

  /// Null when the server did not give it.
  const XmlElement* property(std::string_view ns, std::string_view local) const;
};
/// All responses of a multistatus body. Throws as parseXml, also for another document.
std::vector<DavResource> readMultistatus(std::string_view text);

} // namespace calbridge::caldav
