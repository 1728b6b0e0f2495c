#pragma once
#include <cstdlib>
#include <libical/ical.h>
#include <memory>
#include <new>
#include <string>

namespace calbridge::ics {

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
  /// RFC 5545 text: folded at 75 octets between characters, escaped, CRLF.
  std::string text() const {
    const std::unique_ptr<char, void (*)(void*)> text{icalcomponent_as_ical_string_r(component_.get()),
                                                      &icalmemory_free_buffer};
    if (!text)
      throw std::bad_alloc();
    return text.get();
  }

 private:
  struct Free {
    void operator()(icalcomponent* component) const { icalcomponent_free(component); }
  };
  std::unique_ptr<icalcomponent, Free> component_;
};

} // namespace calbridge::ics
