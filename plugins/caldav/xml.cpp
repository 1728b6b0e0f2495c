#include "xml.hpp"

#include "calbridge/problem.hpp"

#include <expat.h>
#include <memory>

namespace calbridge::caldav {
namespace {

constexpr std::size_t kDeepest = 40;
constexpr std::size_t kMostElements = 50'000;

[[noreturn]] void refuse(const std::string& why) {
  throw sdk::Problem(sdk::Status::transient, "the server's XML cannot be read: " + why, "malformed_answer");
}

/// What the callbacks of expat build. They may not throw through it: what is wrong is kept.
struct Builder {
  XML_Parser parser = nullptr;
  XmlElement root;
  std::vector<XmlElement*> open; ///< from the root inward; no element grows siblings while one of its children is open
  std::size_t elements = 0;
  const char* problem = nullptr;

  void stop(const char* why) {
    problem = why;
    XML_StopParser(parser, XML_FALSE);
  }
};

void XMLCALL onStart(void* data, const XML_Char* name, const XML_Char** attributes) {
  auto& builder = *static_cast<Builder*>(data);
  if (builder.problem != nullptr) {
    return;
  }
  if (builder.open.size() >= kDeepest || ++builder.elements > kMostElements) {
    builder.stop("it is too deep or too long");
    return;
  }
  const std::string_view full = name;
  const std::size_t bar = full.rfind('|');
  XmlElement element;
  element.space = bar == std::string_view::npos ? std::string() : std::string(full.substr(0, bar));
  element.name = full.substr(bar == std::string_view::npos ? 0 : bar + 1);
  for (; *attributes != nullptr; attributes += 2) {
    if (std::string_view(*attributes) == "name") {
      element.nameValue = attributes[1];
    }
  }
  if (builder.open.empty()) {
    builder.root = std::move(element);
    builder.open.push_back(&builder.root);
  } else {
    builder.open.back()->children.push_back(std::move(element));
    builder.open.push_back(&builder.open.back()->children.back());
  }
}

void XMLCALL onEnd(void* data, const XML_Char* /*name*/) {
  auto& builder = *static_cast<Builder*>(data);
  if (builder.problem == nullptr && !builder.open.empty()) {
    builder.open.pop_back();
  }
}

void XMLCALL onText(void* data, const XML_Char* text, int length) {
  auto& builder = *static_cast<Builder*>(data);
  if (builder.problem == nullptr && !builder.open.empty()) {
    builder.open.back()->text.append(text, static_cast<std::size_t>(length));
  }
}

void XMLCALL onDocumentType(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  static_cast<Builder*>(data)->stop("it has a document type");
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// "HTTP/1.1 200 OK" (RFC 4918 section 14.28).
bool isSuccess(const XmlElement* status) {
  if (status == nullptr) {
    return true;
  }
  const std::string_view text = trimmed(status->text);
  const std::size_t space = text.find(' ');
  return space != std::string_view::npos && text.substr(space + 1, 1) == "2";
}

} // namespace

const XmlElement* XmlElement::child(std::string_view ns, std::string_view local) const {
  for (const XmlElement& element : children) {
    if (element.is(ns, local)) {
      return &element;
    }
  }
  return nullptr;
}

const XmlElement* XmlElement::find(std::string_view ns, std::string_view local) const {
  for (const XmlElement& element : children) {
    if (element.is(ns, local)) {
      return &element;
    }
    if (const XmlElement* inner = element.find(ns, local); inner != nullptr) {
      return inner;
    }
  }
  return nullptr;
}

XmlElement parseXml(std::string_view text) {
  const std::unique_ptr<XML_ParserStruct, void (*)(XML_Parser)> parser{XML_ParserCreateNS(nullptr, '|'),
                                                                       XML_ParserFree};
  if (!parser) {
    throw std::bad_alloc();
  }
  Builder builder;
  builder.parser = parser.get();
  XML_SetUserData(parser.get(), &builder);
  XML_SetElementHandler(parser.get(), onStart, onEnd);
  XML_SetCharacterDataHandler(parser.get(), onText);
  XML_SetStartDoctypeDeclHandler(parser.get(), onDocumentType);
  const XML_Status status = XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE);
  if (builder.problem != nullptr) {
    refuse(builder.problem);
  }
  if (status != XML_STATUS_OK) {
    refuse(XML_ErrorString(XML_GetErrorCode(parser.get())));
  }
  return std::move(builder.root);
}

std::string escapedXml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    default:
      out.push_back(c);
    }
  }
  return out;
}

const XmlElement* DavResource::property(std::string_view ns, std::string_view local) const {
  for (const XmlElement& element : properties) {
    if (element.is(ns, local)) {
      return &element;
    }
  }
  return nullptr;
}

std::vector<DavResource> readMultistatus(std::string_view text) {
  XmlElement root = parseXml(text);
  if (!root.is(kDav, "multistatus")) {
    refuse("it is no multistatus");
  }
  std::vector<DavResource> out;
  for (XmlElement& response : root.children) {
    const XmlElement* href = response.child(kDav, "href");
    if (!response.is(kDav, "response") || href == nullptr || !isSuccess(response.child(kDav, "status"))) {
      continue;
    }
    DavResource resource;
    resource.href = trimmed(href->text);
    for (XmlElement& part : response.children) {
      if (!part.is(kDav, "propstat") || !isSuccess(part.child(kDav, "status"))) {
        continue;
      }
      for (XmlElement& properties : part.children) {
        if (properties.is(kDav, "prop")) {
          for (XmlElement& property : properties.children) {
            resource.properties.push_back(std::move(property));
          }
        }
      }
    }
    out.push_back(std::move(resource));
  }
  return out;
}

} // namespace calbridge::caldav
