#pragma once
#include "calbridge/wall_clock.hpp"

#include <libical/ical.h>
#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace calbridge::ics {

/// Appends one content line, folded at 75 octets but never inside a character (RFC 5545 section 3.1), and its CRLF.
void appendFolded(std::string& out, std::string_view line);

/// The same as libical says it, without a zone.
icaltimetype icalTime(const sdk::WallClock& clock);

/// Owner of one libical component. No state is shared between objects: different ones may be used by different threads.
class Component {
 public:
  explicit Component(icalcomponent_kind kind) : component_(icalcomponent_new(kind)) {
    if (!component_)
      throw std::bad_alloc();
  }
  /// Takes the property over.
  void add(icalproperty* property) {
    if (!property)
      throw std::bad_alloc();
    icalcomponent_add_property(component_.get(), property);
  }
  /// Takes the component over.
  void add(Component child) { icalcomponent_add_component(component_.get(), child.component_.release()); }
  /// RFC 5545 text, escaped, folded, CRLF. Folded anew, since libical 3.0.16 cuts some characters in two where it
  /// folds.
  std::string text() const;

 private:
  struct Free {
    void operator()(icalcomponent* component) const { icalcomponent_free(component); }
  };
  std::unique_ptr<icalcomponent, Free> component_;
};

} // namespace calbridge::ics
